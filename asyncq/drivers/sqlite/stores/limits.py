"""Hits counted in windows: fixed ones are a row each, the hits of sliding ones are slots."""

from __future__ import annotations

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.step import Step
from asyncq.drivers.sqlite.stores import slots
from asyncq.ids import new_id
from asyncq.records import LimitState

__all__ = ["SqliteLimits"]


class SqliteLimits:
    """Limits, for all processes of one host."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def hit(self, key: str, /, *, limit: int, per: float, sliding: bool = False) -> LimitState:
        """Count one hit if the window has room; a fixed window starts at its first hit."""
        if sliding:
            return await self._database.write(lambda step: slots.take(step, _log(key), new_id(), limit, per))
        return await self._database.write(lambda step: _hit(step, key, limit, per))

    async def state(self, key: str, /, *, limit: int, sliding: bool = False) -> LimitState:
        """Say whether a hit would be allowed now, and how many are left."""
        if sliding:
            return await self._database.read(lambda step: slots.state(step, _log(key), limit))
        return await self._database.read(lambda step: _state(step, key, limit)[0])

    async def clear(self, key: str, /) -> None:
        """Forget the windows of both kinds."""
        await self._database.write(lambda step: _clear(step, key))


def _log(key: str) -> str:
    return f"hits:{key}"


def _clear(step: Step, key: str) -> None:
    step.run("stores.limit_clear", (key,))
    slots.clear(step, _log(key))


def _hit(step: Step, key: str, limit: int, per: float) -> LimitState:
    state, window = _state(step, key, limit)
    if not state.allowed:
        return state
    if window:
        step.run("stores.limit_hit", (key,))
    else:
        step.run("stores.limit_open", (key, step.now + micros(per)))
    return LimitState(True, state.remaining - 1, 0.0)


def _state(step: Step, key: str, limit: int) -> tuple[LimitState, bool]:
    """Return the state, and whether a window is open."""
    row = step.row("stores.limit_get", (key, step.now))
    used, until = row if row is not None else (0, step.now)
    left = max(0, limit - used)
    return LimitState(left > 0, left, 0.0 if left else (until - step.now) / MICRO), row is not None
