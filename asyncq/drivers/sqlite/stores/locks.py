"""Locks with an owner."""

from __future__ import annotations

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import micros
from asyncq.drivers.sqlite.step import Step

__all__ = ["SqliteLocks", "release"]


def release(step: Step, key: str, owner: str) -> bool:
    """Free the lock if it is this owner's."""
    return step.run("stores.lock_release", (key, owner, step.now)).rowcount == 1


class SqliteLocks:
    """Locks, for all processes of one host."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Take the lock if it is free, expired, or already this owner's."""

        def work(step: Step) -> bool:
            values = {"key": key, "owner": owner, "until": _until(step, ttl), "now": step.now}
            return step.run("stores.lock_acquire", values).rowcount == 1

        return await self._database.write(work)

    async def release(self, key: str, owner: str, /) -> bool:
        """Free the lock if it is this owner's."""
        return await self._database.write(lambda step: release(step, key, owner))

    async def extend(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Restart the life of this owner's lock; False where it is no longer held."""

        def work(step: Step) -> bool:
            return step.run("stores.lock_extend", (_until(step, ttl), key, owner, step.now)).rowcount == 1

        return await self._database.write(work)

    async def owner(self, key: str, /) -> str | None:
        """Return who holds the lock now."""
        row = await self._database.read(lambda step: step.row("stores.lock_owner", (key, step.now)))
        return None if row is None else str(row[0])

    async def force(self, key: str, /) -> None:
        """Free the lock, whoever holds it."""
        await self._database.write(lambda step: step.run("stores.lock_force", (key,)).rowcount)


def _until(step: Step, ttl: float | None) -> int | None:
    return None if ttl is None else step.now + micros(ttl)
