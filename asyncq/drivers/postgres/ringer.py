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
        self._hurry = asyncio.Event()

    def open(self) -> None:
        """Take time between notifications from here on."""
        self._hurry = asyncio.Event()

    def ring(self, topics: Collection[str]) -> None:
        """Tell of these topics soon; who waits in this process hears at once."""
        self._topics.update(topics)
        self._ears.ring(topics)
        if self._topics and self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name="asyncq-postgres-ring")

    async def close(self) -> None:
        """Tell what is left."""
        self._hurry.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._topics:
                await self._let_others_go_first()
                topics, self._topics = sorted(self._topics), set()
                try:
                    await self._tell(topics)
                except AsyncqError as error:  # a hint that is lost: who waits looks by itself
                    _log.debug("nobody was told of %s: %s", topics, error)
                await self._pause()
        finally:
            self._task = None

    async def _let_others_go_first(self) -> None:
        """Who waits in this process asks for the job two turns of the loop from now: that is worth more."""
        for _ in range(2):
            await asyncio.sleep(0)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(GAP):
                await self._hurry.wait()
        except TimeoutError:
            return
