"""SAQ on Redis, at its fair best: hiredis, no stored result, 50 operations of the client at once instead of 20.

Its worker blocks in the broker (no poll to shorten); retries and the sweep of stuck jobs stay as shipped. It has no
call that pushes many jobs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from saq import Queue, Worker

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

DROP_RESULT = -1


class Saq(Contender):
    """One queue for pushing and for the worker."""

    def __init__(self, url: str, tally: Tally) -> None:
        super().__init__(url, tally)
        self.queue = Queue.from_url(url, max_concurrent_ops=SLOTS)

    async def __aenter__(self) -> Saq:
        await self.queue.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.queue.disconnect()

    async def push(self, job: JobName, value: float) -> None:
        await self.queue.enqueue(job, value=value, ttl=DROP_RESULT)

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        tally = self.tally

        async def noop(context: Any, *, value: int) -> None:
            tally.noop(value)

        async def nap(context: Any, *, value: int) -> None:
            await tally.nap(value)

        async def ping(context: Any, *, value: float) -> None:
            tally.ping(value)

        functions = [("noop", noop), ("nap", nap), ("ping", ping)]
        worker: Any = Worker(self.queue, functions, concurrency=SLOTS)
        running = asyncio.create_task(worker.start())
        yield
        await worker.stop()
        await running


if __name__ == "__main__":
    main(Saq)
