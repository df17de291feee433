"""taskiq on Redis with its stream broker, at its fair best: hiredis, no result backend, no check of parameters.

It reads 100 messages from the stream at a time and keeps none at hand beyond those that run, as shipped: `prefetch=50`
brings nothing here. It has no call that pushes many tasks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any

from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main


class Taskiq(Contender):
    """One broker for pushing and for the receiver."""

    def __init__(self, url: str, tally: Tally, *, prefetch: int = 0) -> None:
        super().__init__(url, tally)
        self.prefetch = prefetch
        self.broker = RedisStreamBroker(url)
        self.tasks = {name: self.broker.task(name)(handler) for name, handler in self._handlers().items()}

    async def __aenter__(self) -> Taskiq:
        # This makes the consumer group too: what is pushed before there is one would never be read.
        await self.broker.startup()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.broker.shutdown()

    async def push(self, job: JobName, value: float) -> None:
        await self.tasks[job].kiq(value)

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        running = asyncio.create_task(
            run_receiver_task(self.broker, validate_params=False, max_async_tasks=SLOTS, max_prefetch=self.prefetch)
        )
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    def _handlers(self) -> dict[str, Any]:
        tally = self.tally

        async def noop(value: int) -> None:
            tally.noop(value)

        async def nap(value: int) -> None:
            await tally.nap(value)

        async def ping(value: float) -> None:
            tally.ping(value)

        return {"noop": noop, "nap": nap, "ping": ping}


if __name__ == "__main__":
    main(Taskiq)
