"""asyncq on what the URL names, with all that it ships with: leases, their keeper, timeouts, events, failed jobs."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, ClassVar

from asyncq import AsyncQ, Job, dispatch_many
from benchmarks.engine import place
from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

__all__ = ["Asyncq"]


class Noop(Job, name="bench:Noop"):
    """Does nothing, and counts that it did."""

    value: int

    async def handle(self) -> None:
        """Note the number."""
        Asyncq.current.noop(self.value)


class Nap(Job, name="bench:Nap"):
    """Waits for 10 ms."""

    value: int

    async def handle(self) -> None:
        """Wait and note the number."""
        await Asyncq.current.nap(self.value)


class Ping(Job, name="bench:Ping"):
    """Tells how long it was on its way."""

    value: float

    async def handle(self) -> None:
        """Note the latency."""
        Asyncq.current.ping(self.value)


class Asyncq(Contender):
    """One app for dispatching and for the worker; `prefetch` is the worker's own unless it is given."""

    pushes_in_bulk: ClassVar[bool] = True
    current: ClassVar[Tally]

    def __init__(self, url: str, tally: Tally, *, prefetch: int | None = None) -> None:
        super().__init__(url, tally)
        Asyncq.current = tally
        self.app = AsyncQ(place.connection(url))
        self.prefetch = prefetch

    async def __aenter__(self) -> Asyncq:
        await place.install(self.url)
        await self.app.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.app.__aexit__(kind, error, trace)

    async def push(self, job: JobName, value: float) -> None:
        await _job(job, value).dispatch()

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        await dispatch_many([_job(job, value) for value in values])

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        options: Any = {} if self.prefetch is None else {"prefetch": self.prefetch}
        async with self.app.worker(concurrency=SLOTS, grace=5, **options):
            yield


def _job(name: JobName, value: float) -> Job:
    if name == "ping":
        return Ping(value=value)
    return (Noop if name == "noop" else Nap)(value=int(value))


if __name__ == "__main__":
    with place.private(sys.argv[1]) as settled:
        main(Asyncq, [settled, *sys.argv[2:]])
