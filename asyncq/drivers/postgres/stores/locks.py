"""Locks with an owner."""

from __future__ import annotations

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import micros_or_none
from asyncq.drivers.postgres.texts import stored, unstored

__all__ = ["PostgresLocks"]


class PostgresLocks:
    """Locks, for all who share the schema."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def acquire(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Take the lock if it is free, expired, or already this owner's."""
        return bool(await self._link.run("lock_acquire", stored(key), stored(owner), micros_or_none(ttl)))

    async def release(self, key: str, owner: str, /) -> bool:
        """Free the lock if it is this owner's."""
        return bool(await self._link.once("lock_release", stored(key), stored(owner)))

    async def extend(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Restart the life of this owner's lock; False where it is no longer held."""
        return bool(await self._link.run("lock_extend", stored(key), stored(owner), micros_or_none(ttl)))

    async def owner(self, key: str, /) -> str | None:
        """Return who holds the lock now."""
        rows = await self._link.run("lock_owner", stored(key))
        return unstored(rows[0][0]) if rows else None

    async def force(self, key: str, /) -> None:
        """Free the lock, whoever holds it."""
        await self._link.run("lock_force", stored(key))
