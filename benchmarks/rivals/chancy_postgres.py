"""chancy on Postgres, at its fair best: psycopg with its C part, jobs in the event loop, no log, eager polling.

Eager polling asks for the next jobs whenever one has ended; as shipped a full worker asks each 5 s. It acknowledges
each second what ended, and keeps done jobs until its pruner takes them.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from types import TracebackType
from typing import Any, ClassVar

import chancy

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main


class Chancy(Contender):
    """One app, with a pool for its pushes and for its worker."""

    pushes_in_bulk: ClassVar[bool] = True
    current: ClassVar[Tally]

    def __init__(self, url: str, tally: Tally) -> None:
        super().__init__(url, tally)
        Chancy.current = tally
        quiet = logging.getLogger("chancy")
        quiet.setLevel(logging.WARNING)
        self.app = chancy.Chancy(url, log=quiet)
        self.jobs: dict[str, Any] = {"noop": noop, "nap": nap, "ping": ping}

    async def __aenter__(self) -> Chancy:
        await self.app.__aenter__()
        await self.app.migrate()
        queue = chancy.Queue("default", concurrency=SLOTS, executor=chancy.Chancy.Executor.Async, eager_polling=True)
        await self.app.declare(queue, upsert=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.app.__aexit__(kind, error, trace)

    async def push(self, job: JobName, value: float) -> None:
        await self.app.push(self.jobs[job].job.with_kwargs(value=value))

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        jobs = [self.jobs[job].job.with_kwargs(value=value) for value in values]
        async for _ in self.app.push_many(jobs):
            pass

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        async with chancy.Worker(self.app, register_signal_handlers=False):
            yield


@chancy.job()
async def noop(*, value: int) -> None:
    """Count it."""
    Chancy.current.noop(value)


@chancy.job()
async def nap(*, value: int) -> None:
    """Wait and count it."""
    await Chancy.current.nap(value)


@chancy.job()
async def ping(*, value: float) -> None:
    """Tell the latency."""
    Chancy.current.ping(value)


if __name__ == "__main__":
    # A worker finds a job by the name of its module, which this one does not have while it is run.
    main(import_module("benchmarks.rivals.chancy_postgres").Chancy)
