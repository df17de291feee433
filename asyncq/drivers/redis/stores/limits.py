"""Hits counted in windows: fixed ones are a counter each, the hits of sliding ones are slots."""

from __future__ import annotations

from typing import Any

from asyncq.drivers.redis.micros import millis
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.drivers.redis.stores.slots import Slots
from asyncq.records import LimitState

__all__ = ["RedisLimits"]


class RedisLimits:
    """Windows, for all clients of one server; one script counts, so two clients never share the last hit."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._log = Slots(shelf, "hits")

    async def hit(self, key: str, /, *, limit: int, per: float, sliding: bool = False) -> LimitState:
        """Count one hit if the window has room; a refused hit is not counted."""
        if sliding:
            return await self._log.take(key, "", limit, per)
        return _state(await self._shelf.run("limit_hit", [key, limit, millis(per)]))

    async def state(self, key: str, /, *, limit: int, sliding: bool = False) -> LimitState:
        """Say whether a hit would be allowed now, without counting one."""
        if sliding:
            return await self._log.state(key, limit)
        return _state(await self._shelf.run("limit_state", [key, limit]))

    async def clear(self, key: str, /) -> None:
        """Forget the windows of both kinds."""
        await self._shelf.run("forget", [f"limit:{key}", f"hits:{key}"])


def _state(answer: Any) -> LimitState:
    allowed, remaining, milliseconds = answer
    return LimitState(bool(allowed), remaining, milliseconds / 1000)
