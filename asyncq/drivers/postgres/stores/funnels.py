"""Funnels: so many slots for a key."""

from __future__ import annotations

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import micros
from asyncq.drivers.postgres.stores.limits import state_of
from asyncq.drivers.postgres.texts import stored
from asyncq.records import LimitState

__all__ = ["PostgresFunnels"]


class PostgresFunnels:
    """Funnels, for all who share the schema."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def acquire(self, key: str, owner: str, /, *, limit: int, ttl: float) -> LimitState:
        """Take a slot if fewer than `limit` are held, or restart the life of this owner's."""
        return state_of(await self._link.once("slot_take", _name(key), stored(owner), limit, micros(ttl)))

    async def release(self, key: str, owner: str, /) -> bool:
        """Free this owner's slot."""
        return bool(await self._link.once("slot_free", _name(key), stored(owner)))

    async def extend(self, key: str, owner: str, /, *, ttl: float) -> bool:
        """Restart the life of this owner's slot."""
        return bool(await self._link.run("slot_extend", _name(key), stored(owner), micros(ttl)))

    async def state(self, key: str, /, *, limit: int) -> LimitState:
        """Say how many slots are free."""
        return state_of(await self._link.run("slot_state", _name(key), limit))

    async def clear(self, key: str, /) -> None:
        """Free all slots."""
        await self._link.run("slot_clear", _name(key))


def _name(key: str) -> str:
    return f"funnel:{stored(key)}"
