"""Locks with an owner."""

from __future__ import annotations

from asyncq.drivers.redis.micros import millis
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.drivers.redis.wire import Argument

__all__ = ["RedisLocks"]


class RedisLocks:
    """Locks, for all clients of one server."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def acquire(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Take the lock if it is free, expired, or already this owner's."""
        return bool(await self._shelf.run("lock_acquire", [key, owner, _life(ttl)]))

    async def release(self, key: str, owner: str, /) -> bool:
        """Free the lock if it is this owner's."""
        return bool(await self._shelf.run("lock_release", [key, owner]))

    async def extend(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Restart the life of this owner's lock."""
        return bool(await self._shelf.run("lock_extend", [key, owner, _life(ttl)]))

    async def owner(self, key: str, /) -> str | None:
        """Return who holds the lock now."""
        held = await self._shelf.link.command("GET", f"{self._shelf.keys.root}lock:{key}")
        return None if held is None else held.decode()

    async def force(self, key: str, /) -> None:
        """Free the lock, whoever holds it."""
        await self._shelf.run("forget", [f"lock:{key}"])


def _life(ttl: float | None) -> Argument:
    return "" if ttl is None else millis(ttl)
