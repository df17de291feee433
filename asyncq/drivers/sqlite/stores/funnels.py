"""Funnels: so many slots for a key."""

from __future__ import annotations

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.stores import slots
from asyncq.records import LimitState

__all__ = ["SqliteFunnels"]


class SqliteFunnels:
    """Funnels, for all processes of one host."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, key: str, owner: str, /, *, limit: int, ttl: float) -> LimitState:
        """Take a slot if fewer than `limit` are held, or restart the life of this owner's."""
        return await self._database.write(lambda step: slots.take(step, _name(key), owner, limit, ttl))

    async def release(self, key: str, owner: str, /) -> bool:
        """Free this owner's slot."""
        return await self._database.write(lambda step: slots.free(step, _name(key), owner))

    async def extend(self, key: str, owner: str, /, *, ttl: float) -> bool:
        """Restart the life of this owner's slot."""
        return await self._database.write(lambda step: slots.extend(step, _name(key), owner, ttl))

    async def state(self, key: str, /, *, limit: int) -> LimitState:
        """Say how many slots are free."""
        return await self._database.read(lambda step: slots.state(step, _name(key), limit))

    async def clear(self, key: str, /) -> None:
        """Free all slots."""
        await self._database.write(lambda step: slots.clear(step, _name(key)))


def _name(key: str) -> str:
    return f"funnel:{key}"
