"""Tells other processes of changes, some at a time, so that a crowd of changes costs few notifications."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from asyncq.drivers.postgres.ears import Ears
from asyncq.errors import AsyncqError

__all__ = ["Ringer"]

GAP: Final = 0.01
"""Seconds between two notifications of one process."""
_log = logging.getLogger("asyncq.postgres")


class Ringer:
    """Its task lives while there is something to tell, and `close` waits for it."""

    def __init__(self, tell: Callable[[Sequence[str]], Awaitable[object]], ears: Ears) -> None:
        self._tell = tell
        self._ears = ears
        self._topics: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.open()

    def open(self) -> None:
        """Take time before and between notifications from here on."""
        self._soon = asyncio.Event()
        self._closing = asyncio.Event()

    def ring(self, topics: Collection[str], *, of_one: bool = False) -> None:
        """Tell of these topics soon; who waits in this process hears at once.

        `of_one` job nobody else needs to hear, where somebody here waits for it: the others are told after the gap,
        for to tell them while it is being fetched would slow that down.
        """
        self._topics.update(topics)
        if not (self._ears.ring(topics) and of_one):
            self._soon.set()
        if self._topics and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="asyncq-postgres-ring")

    async def close(self) -> None:
        """Tell what is left."""
        self._soon.set()
        self._closing.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._topics:
                await _wait(self._soon)
                self._soon.clear()
                topics, self._topics = sorted(self._topics), set()
                try:
                    await self._tell(topics)
                except AsyncqError as error:  # a hint that is lost: who waits looks by itself
                    _log.debug("nobody was told of %s: %s", topics, error)
                await _wait(self._closing)
        finally:
            self._task = None


async def _wait(event: asyncio.Event) -> None:
    """Let the gap pass, unless the event comes first."""
    try:
        async with asyncio.timeout(GAP):
            await event.wait()
    except TimeoutError:
        return
