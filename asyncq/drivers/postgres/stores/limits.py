"""Hits counted in windows: fixed ones are a row each, the hits of sliding ones are slots."""

from __future__ import annotations

from typing import Any

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import MICRO, micros
from asyncq.drivers.postgres.texts import stored
from asyncq.ids import new_id
from asyncq.records import LimitState

__all__ = ["PostgresLimits", "state_of"]


class PostgresLimits:
    """Limits, for all who share the schema."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def hit(self, key: str, /, *, limit: int, per: float, sliding: bool = False) -> LimitState:
        """Count one hit if the window has room; a fixed window starts at its first hit."""
        if sliding:
            return state_of(await self._link.once("slot_take", _log(key), new_id(), limit, micros(per)))
        return state_of(await self._link.once("limit_hit", stored(key), limit, micros(per)))

    async def state(self, key: str, /, *, limit: int, sliding: bool = False) -> LimitState:
        """Say whether a hit would be allowed now, and how many are left."""
        if sliding:
            return state_of(await self._link.run("slot_state", _log(key), limit))
        return state_of(await self._link.run("limit_state", stored(key), limit))

    async def clear(self, key: str, /) -> None:
        """Forget the windows of both kinds."""
        await self._link.run("limit_clear", stored(key))
        await self._link.run("slot_clear", _log(key))


def _log(key: str) -> str:
    return f"hits:{stored(key)}"


def state_of(rows: list[Any]) -> LimitState:
    """Return what a limit or a funnel answered."""
    allowed, remaining, retry_after = rows[0]
    return LimitState(allowed, remaining, retry_after / MICRO)
