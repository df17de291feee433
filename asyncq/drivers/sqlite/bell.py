"""Who waits in this process, and for what: rung by the writer's thread after a commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager

__all__ = ["Bell", "result_topic"]


def result_topic(id: str) -> str:
    """Return the topic of a result, which no queue's name can be."""
    return f"\0result:{id}"


class Bell:
    """Waiters by topic; a topic is the name of a queue, or a result."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[asyncio.Event, tuple[asyncio.AbstractEventLoop, frozenset[str]]] = {}

    @contextmanager
    def listening(self, topics: Sequence[str]) -> Generator[asyncio.Event]:
        """Be called at one of the topics: the event is set then."""
        event = asyncio.Event()
        with self._lock:
            self._waiters[event] = (asyncio.get_running_loop(), frozenset(topics))
        try:
            yield event
        finally:
            with self._lock:
                del self._waiters[event]

    def heard(self, topics: set[str]) -> list[tuple[asyncio.AbstractEventLoop, asyncio.Event]]:
        """Return the waiters that one of the topics concerns, to be set in their loops."""
        if not topics or not self._waiters:
            return []
        with self._lock:
            return [(loop, event) for event, (loop, wanted) in self._waiters.items() if not wanted.isdisjoint(topics)]

    def ring_all(self) -> None:
        """Wake everybody, in the loop where they wait: the driver closes."""
        with self._lock:
            waiters = list(self._waiters.items())
        for event, (loop, _) in waiters:
            loop.call_soon_threadsafe(event.set)
