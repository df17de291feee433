"""Counters of fixed windows."""

from __future__ import annotations

from typing import Any

from asyncq.drivers.redis.micros import millis
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.records import LimitState

__all__ = ["RedisLimits"]


class RedisLimits:
    """Windows, for all clients of one server; one script counts, so two clients never share the last hit."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def hit(self, key: str, /, *, limit: int, per: float) -> LimitState:
        """Count one hit if the window has room; a refused hit is not counted."""
        return _state(await self._shelf.run("limit_hit", [key, limit, millis(per)]))

    async def state(self, key: str, /, *, limit: int) -> LimitState:
        """Say whether a hit would be allowed now, without counting one."""
        return _state(await self._shelf.run("limit_state", [key, limit]))

    async def clear(self, key: str, /) -> None:
        """Forget the window."""
        await self._shelf.link.command("DEL", f"{self._shelf.keys.root}limit:{key}")


def _state(answer: Any) -> LimitState:
    allowed, remaining, milliseconds = answer
    return LimitState(bool(allowed), remaining, milliseconds / 1000)
