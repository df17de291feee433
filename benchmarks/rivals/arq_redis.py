"""arq on Redis, at its fair best: hiredis, no stored result, a poll each 10 ms instead of each 500.

`queue_read_limit` stays at five times the concurrency, as shipped. It has no call that pushes many jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker, func

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.workloads import main

POLL = 0.01


class Arq(Contender):
    """One pool for pushing, another for the worker, as with two processes."""

    pool: ArqRedis

    async def __aenter__(self) -> Arq:
        self.pool = await create_pool(RedisSettings.from_dsn(self.url))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pool.aclose()

    async def push(self, job: JobName, value: float) -> None:
        await self.pool.enqueue_job(job, value)

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        worker = Worker(
            self._functions(),
            redis_settings=RedisSettings.from_dsn(self.url),
            max_jobs=SLOTS,
            poll_delay=POLL,
            keep_result=0,
            handle_signals=False,
        )
        running = asyncio.create_task(worker.async_run())
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await worker.close()

    def _functions(self) -> list[Any]:
        tally = self.tally

        async def noop(context: Any, value: int) -> None:
            tally.noop(value)

        async def nap(context: Any, value: int) -> None:
            await tally.nap(value)

        async def ping(context: Any, value: float) -> None:
            tally.ping(value)

        return [func(one, name=one.__name__) for one in (noop, nap, ping)]


if __name__ == "__main__":
    main(Arq)
