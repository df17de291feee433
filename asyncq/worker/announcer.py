"""Tells the listeners what one worker does itself; what its jobs do is told by `Report`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from asyncq.events import Event, JobPopped, JobPopping, Looping

if TYPE_CHECKING:
    from asyncq.events import WorkerEvent
    from asyncq.listeners import Listeners
    from asyncq.run import Run

__all__ = ["Announcer"]


class Announcer:
    """Makes an event only where somebody listens to it."""

    def __init__(self, listeners: Listeners, connection: str, queues: Sequence[str], worker: str) -> None:
        self._listeners = listeners
        self._connection = connection
        self._queues = tuple(queues)
        self._worker = worker
        self._later: deque[Event] = deque()
        self._news = anyio.Event()
        self._one_by_one = anyio.Lock()

    @property
    def active(self) -> bool:
        """True as soon as anybody listens to anything."""
        return self._listeners.active

    async def tell(self, kind: type[WorkerEvent], **facts: Any) -> bool:
        """Tell what this worker does; False where a listener answered False."""
        if not self._listeners.wants(kind):
            return True
        return await self._listeners.emit(kind(self._connection, self._queues, self._worker, **facts))

    async def looks(self, queues: Sequence[str]) -> bool:
        """Tell that the worker is about to reserve from these queues; False where a listener vetoes the round."""
        if not await self.tell(Looping):
            return False
        if self._listeners.wants(JobPopping):
            await self._listeners.emit(JobPopping(self._connection, tuple(queues)))
        return True

    async def reserved(self, runs: Sequence[Run]) -> None:
        """Tell of each job that was reserved; its payload is not open yet."""
        if self._listeners.wants(JobPopped):
            for run in runs:
                await self._listeners.emit(JobPopped(*run.facts(self._connection)))

    def soon(self, kind: type[WorkerEvent], **facts: Any) -> None:
        """Have the worker's own task tell it, for callers in the loop that cannot wait."""
        self.soon_as(kind(self._connection, self._queues, self._worker, **facts))

    def soon_as(self, event: Event) -> None:
        """Have the worker's own task tell any event."""
        if self._listeners.wants(type(event)):
            self._later.append(event)
            self._news.set()

    async def run(self) -> None:
        """Tell what was left for later, until cancelled."""
        while True:
            await self._news.wait()
            self._news = anyio.Event()
            await self._tell_all()

    async def flush(self) -> None:
        """Tell what was left for later, also what a signal handler is about to leave."""
        await anyio.lowlevel.checkpoint()
        await self._tell_all()

    async def _tell_all(self) -> None:
        async with self._one_by_one:
            while self._later:
                await self._listeners.emit(self._later.popleft())
