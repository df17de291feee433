"""Funnels: so many slots for a key."""

from __future__ import annotations

from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.drivers.redis.stores.slots import Slots
from asyncq.records import LimitState

__all__ = ["RedisFunnels"]


class RedisFunnels:
    """Funnels, for all clients of one server."""

    def __init__(self, shelf: Shelf) -> None:
        self._slots = Slots(shelf, "funnel")

    async def acquire(self, key: str, owner: str, /, *, limit: int, ttl: float) -> LimitState:
        """Take a slot if fewer than `limit` are held, or restart the life of this owner's."""
        return await self._slots.take(key, owner, limit, ttl)

    async def release(self, key: str, owner: str, /) -> bool:
        """Free this owner's slot."""
        return await self._slots.free(key, owner)

    async def extend(self, key: str, owner: str, /, *, ttl: float) -> bool:
        """Restart the life of this owner's slot."""
        return await self._slots.extend(key, owner, ttl)

    async def state(self, key: str, /, *, limit: int) -> LimitState:
        """Say how many slots are free."""
        return await self._slots.state(key, limit)

    async def clear(self, key: str, /) -> None:
        """Free all slots."""
        await self._slots.clear(key)
