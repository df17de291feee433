"""Waiting in several slots at once: a blocking call in each, which outlives the wait that it was made for."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from asyncq.drivers.redis.link import Link

__all__ = ["Ears"]

LONGEST: Final = 5.0
"""Seconds of one blocking call."""


class Ears:
    """One blocking call for each list of tokens.

    A wait ends by the first token; to break off the calls for the other lists would cost a new connection for each of
    them, at each wait. So they go on, and the next wait finds them there. A token that comes while nobody waits here is
    given back for another client.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._calls: dict[str, asyncio.Task[bool]] = {}
        self._waiting = Counter[str]()

    async def wait(self, names: Sequence[str], seconds: float) -> bool:
        """Wait for a token in any of these lists; True if one came.

        Raises:
            DriverError: a node refused the call, or cannot be reached.
        """
        ends_at = time.monotonic() + seconds
        self._waiting.update(names)
        try:
            while (left := ends_at - time.monotonic()) > 0:
                calls = [self._call(name) for name in names]
                done, _ = await asyncio.wait(calls, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                if any(call.result() for call in done):
                    return True
            return False
        finally:
            self._waiting.subtract(names)

    async def close(self) -> None:
        """Break all calls off."""
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls)

    def _call(self, name: str) -> asyncio.Task[bool]:
        if name not in self._calls:
            call = asyncio.create_task(self._listen(name), name=f"asyncq-wait {name}")
            call.add_done_callback(_look)
            self._calls[name] = call
        return self._calls[name]

    async def _listen(self, name: str) -> bool:
        try:
            came = await self._link.block("BLPOP", name, seconds=LONGEST)
        finally:
            del self._calls[name]
        if came and not self._waiting[name]:
            await self._link.command("LPUSH", name, "1")
        return came


def _look(call: asyncio.Task[bool]) -> None:
    """Take notice of an error that comes while nobody waits: the next wait has it again, if it lasts."""
    with suppress(asyncio.CancelledError):
        call.exception()
