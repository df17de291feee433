"""streaq on Redis, at its fair best: no stored result, no log line for a task, bulk by its pipeline.

It prefetches as many tasks as run at once, as shipped, and blocks in the broker. Its client is coredis.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import TracebackType
from typing import Any, ClassVar

from streaq import Worker

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

DROP_RESULT = 0


class Streaq(Contender):
    """A worker object for pushing, another that works, as in two processes."""

    pushes_in_bulk: ClassVar[bool] = True

    def __init__(self, url: str, tally: Tally) -> None:
        super().__init__(url, tally)
        self.pushing, self.tasks = self._worker()
        self.opened = AsyncExitStack()

    async def __aenter__(self) -> Streaq:
        await self.opened.enter_async_context(self.pushing)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.opened.aclose()

    async def push(self, job: JobName, value: float) -> None:
        await self.tasks[job].enqueue(value)

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        task = self.tasks[job]
        await self.pushing.enqueue_many([task.enqueue(value) for value in values])

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        running = asyncio.create_task(self._worker()[0].run_async())
        yield
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    def _worker(self) -> tuple[Any, dict[str, Any]]:
        worker: Any = Worker(redis_url=self.url, concurrency=SLOTS, handle_signals=False)
        tally = self.tally

        async def noop(value: int) -> None:
            tally.noop(value)

        async def nap(value: int) -> None:
            await tally.nap(value)

        async def ping(value: float) -> None:
            tally.ping(value)

        handlers = {"noop": noop, "nap": nap, "ping": ping}
        settings = {"ttl": DROP_RESULT, "silent": True}
        return worker, {name: worker.task(name=name, **settings)(handler) for name, handler in handlers.items()}


if __name__ == "__main__":
    main(Streaq)
