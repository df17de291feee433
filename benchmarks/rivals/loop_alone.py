"""The ceiling of jobs that wait: 50 runners in a bare event loop, with no broker at all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.workloads import main


class LoopAlone(Contender):
    """Jobs are numbers in a deque, which is there for all of them, as a server is."""

    waiting: ClassVar[deque[int]] = deque()

    async def push(self, job: JobName, value: float) -> None:
        self.waiting.append(int(value))

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        runners = [asyncio.create_task(self._run()) for _ in range(SLOTS)]
        yield
        await asyncio.gather(*runners)

    async def _run(self) -> None:
        while self.waiting:
            async with asyncio.timeout(60):
                await self.tally.nap(self.waiting.popleft())


if __name__ == "__main__":
    main(LoopAlone)
