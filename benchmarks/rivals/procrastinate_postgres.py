"""procrastinate on Postgres, at its fair best: psycopg with its C part, a pool of 10, done jobs deleted.

Pools of 4 and of 50 are slower. It fetches and finishes each job by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, ClassVar

import procrastinate

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

CONNECTIONS = 10


class Procrastinate(Contender):
    """One app, with a pool for its pushes and for its worker."""

    pushes_in_bulk: ClassVar[bool] = True

    def __init__(self, url: str, tally: Tally) -> None:
        super().__init__(url, tally)
        connector = procrastinate.PsycopgConnector(conninfo=url, min_size=CONNECTIONS, max_size=CONNECTIONS)
        self.app = procrastinate.App(connector=connector)
        self.tasks = {handler.__name__: self.app.task(name=handler.__name__)(handler) for handler in self._handlers()}

    async def __aenter__(self) -> Procrastinate:
        await self.app.open_async()
        if not await self.app.check_connection_async():
            await self.app.schema_manager.apply_schema_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.app.close_async()

    async def push(self, job: JobName, value: float) -> None:
        await self.tasks[job].defer_async(value=value)

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        await self.tasks[job].batch_defer_async(*({"value": value} for value in values))

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        running = asyncio.create_task(
            self.app.run_worker_async(concurrency=SLOTS, delete_jobs="always", install_signal_handlers=False)
        )
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    def _handlers(self) -> list[Any]:
        tally = self.tally

        async def noop(value: int) -> None:
            tally.noop(value)

        async def nap(value: int) -> None:
            await tally.nap(value)

        async def ping(value: float) -> None:
            tally.ping(value)

        return [noop, nap, ping]


if __name__ == "__main__":
    main(Procrastinate)
