"""pgqueuer on Postgres through asyncpg, the client that it names first, with the batch of 10 that it ships or another.

Pushes share one connection: through a pool they are slower, 50 at once no quicker. A worker of it has no limit of jobs
that run at once, as shipped; one for jobs that wait is limited as others are, and may then have a batch of half as many
at most. Done jobs go from the queue to its log, in the same statement.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, ClassVar

import asyncpg
from pgqueuer import Job, Queries, QueueManager

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

LARGEST_BATCH = SLOTS // 2
"""Of a worker whose jobs are limited to as many as others run at once."""


class PgQueuer(Contender):
    """A connection for pushing, another for the worker."""

    pushes_in_bulk: ClassVar[bool] = True

    def __init__(self, url: str, tally: Tally, *, batch: int = 10) -> None:
        super().__init__(url, tally)
        self.batch = batch

    async def __aenter__(self) -> PgQueuer:
        self.connection: Any = await asyncpg.connect(self.url)
        self.queries = Queries.from_asyncpg_connection(self.connection)
        if not await self.queries.schema_is_installed():
            await self.queries.install()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.connection.close()

    async def push(self, job: JobName, value: float) -> None:
        await self.queries.enqueue(job, _payload(value))

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        await self.queries.enqueue([job] * len(values), [_payload(value) for value in values], [0] * len(values))

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        connection: Any = await asyncpg.connect(self.url)
        manager = QueueManager(Queries.from_asyncpg_connection(connection))
        for handler in self._handlers():
            manager.entrypoint(handler.__name__)(handler)
        limits: Any = {"batch_size": self.batch}
        if job == "nap":
            limits = {"batch_size": min(self.batch, LARGEST_BATCH), "max_concurrent_tasks": SLOTS}
        running = asyncio.create_task(manager.run(**limits))
        yield
        manager.shutdown.set()
        await running
        await connection.close()

    def _handlers(self) -> list[Any]:
        tally = self.tally

        async def noop(job: Job) -> None:
            tally.noop(int(job.payload or b""))

        async def nap(job: Job) -> None:
            await tally.nap(int(job.payload or b""))

        async def ping(job: Job) -> None:
            tally.ping(float(job.payload or b""))

        return [noop, nap, ping]


def _payload(value: float) -> bytes:
    return str(value).encode()


if __name__ == "__main__":
    main(PgQueuer)
