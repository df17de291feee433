"""What one holder, or so many, have for a while: `app.lock` and `app.funnel`."""

from __future__ import annotations

import asyncio
import logging
import math
from abc import abstractmethod
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from asyncq.clock import Seconds
from asyncq.concurrency import shielded
from asyncq.errors import DriverError, LockTimeout
from asyncq.gate import Find, Gate, count_of, needed, span_of
from asyncq.ids import new_id
from asyncq.records import LimitState
from asyncq.stores import FunnelStore, LockStore

__all__ = ["Funnel", "Held", "Lock"]

_log = logging.getLogger("asyncq.locks")

RELEASE_WITHIN: Final = 5.0
"""Seconds that giving back may take when its task is cancelled; after that the life of what is held ends it."""


class Held(Gate):
    """Something that is held under an owner's name, until it is given back or its life ends.

    One object may be shared, as one of `asyncio.Lock` may: each `acquire` is an owner of its own, unless `owner` named
    one, and belongs to the task that called it.
    """

    def __init__(self, key: str, find: Find, *, ttl: float | None, wait: Seconds | None, owner: str | None) -> None:
        super().__init__(key, find, wait)
        self._ttl = ttl
        self._named = owner
        self._holders: list[tuple[asyncio.Task[Any] | None, str]] = []

    async def __aenter__(self) -> Self:
        self._check(await self._take())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        # Where the block is left in another task than it was entered in, any holder of this object is as good.
        held = self._held() or next(reversed(self._holders), None)
        if held is None:
            return  # released in the block
        with shielded(RELEASE_WITHIN) as scope:
            if not await self._give_back(held):
                _log.warning(
                    "%s ran out before its block ended, so others may have worked beside it; "
                    "give a longer ttl, or call extend() in the block",
                    self,
                )
        if scope.cancelled_caught:
            _log.warning("%s could not be given back within %g s; it ends with its life", self, RELEASE_WITHIN)

    async def acquire(self) -> bool:
        """Take it, waiting as long as `wait` says; False where it was not to be had.

        Raises:
            NotSupported: the driver of the connection has no store for it.
        """
        return (await self._take()).allowed

    async def release(self) -> bool:
        """Give back what this task holds; False where it holds nothing, or no longer."""
        held = self._held()
        if held is not None:
            return await self._give_back(held)
        return self._named is not None and await self._let_go(self._named)

    async def extend(self, ttl: Seconds | None = None) -> bool:
        """Restart the life of what this task holds, by default as long as before; False where it is no longer held."""
        owner = self.owner
        return owner is not None and await self._extend(owner, self._ttl if ttl is None else span_of(ttl, "ttl"))

    @property
    def owner(self) -> str | None:
        """The name under which this task holds it, or the one that was given."""
        held = self._held()
        return self._named if held is None else held[1]

    def _held(self) -> tuple[asyncio.Task[Any] | None, str] | None:
        here = asyncio.current_task()
        mine = [held for held in self._holders if held[0] is here]
        # A task that has ended, such as the set-up of a test, cannot give back what it took.
        mine = mine or [held for held in self._holders if held[0] is None or held[0].done()]
        return mine[-1] if mine else None

    async def _take(self) -> LimitState:
        owner = self._named or new_id()
        try:
            state = await self._pass(partial(self._acquire, owner), sudden=True)
        except asyncio.CancelledError:
            await self._undo(owner)
            raise
        if state.allowed:
            self._holders.append((asyncio.current_task(), owner))
        return state

    async def _undo(self, owner: str) -> None:
        """Free what the store may have given although nobody heard of it any more."""
        if self._named is None:
            # What cannot be freed now ends with its life; the cancellation must not be lost over it.
            with shielded(RELEASE_WITHIN), suppress(DriverError):
                await self._let_go(owner)

    async def _give_back(self, held: tuple[asyncio.Task[Any] | None, str]) -> bool:
        self._holders.remove(held)
        return await self._let_go(held[1])

    async def _let_go(self, owner: str) -> bool:
        was_held = await self._release(owner)
        await self._wake()
        return was_held

    @abstractmethod
    async def _acquire(self, owner: str, /) -> LimitState: ...

    @abstractmethod
    async def _release(self, owner: str, /) -> bool: ...

    @abstractmethod
    async def _extend(self, owner: str, ttl: float | None, /) -> bool: ...


class Lock(Held):
    """A lock across processes: one holder at a time."""

    def __init__(
        self, key: str, find: Find, *, ttl: Seconds | None, wait: Seconds | None = 0, owner: str | None = None
    ) -> None:
        super().__init__(key, find, ttl=None if ttl is None else span_of(ttl, "ttl"), wait=wait, owner=owner)

    def __repr__(self) -> str:
        return f"lock {self.key!r}"

    def _line(self) -> str:
        return f"{self}"

    async def holder(self) -> str | None:
        """Return the name of who holds the lock now, whoever that is."""
        return await (await self._store()).owner(self.key)

    async def force(self) -> None:
        """Free the lock, whoever holds it."""
        await (await self._store()).force(self.key)
        await self._wake()

    async def _store(self) -> LockStore:
        driver = (await self._find()).driver
        return needed(driver, driver.stores.locks, "lock")

    async def _acquire(self, owner: str, /) -> LimitState:
        taken = await (await self._store()).acquire(self.key, owner, ttl=self._ttl)
        return LimitState(taken, 0, 0.0 if taken else math.inf)

    async def _release(self, owner: str, /) -> bool:
        return await (await self._store()).release(self.key, owner)

    async def _extend(self, owner: str, ttl: float | None, /) -> bool:
        return await (await self._store()).extend(self.key, owner, ttl=ttl)

    def _refusal(self, state: LimitState, waited: str, /) -> LockTimeout:
        return LockTimeout(f"{self} is held by somebody else and was not free {waited}", key=self.key)


class Funnel(Held):
    """A semaphore across processes: so many holders at a time."""

    def __init__(
        self, key: str, find: Find, *, limit: int, ttl: Seconds, wait: Seconds | None = 0, owner: str | None = None
    ) -> None:
        self._life = span_of(ttl, "ttl")
        super().__init__(key, find, ttl=self._life, wait=wait, owner=owner)
        self.limit = count_of(limit, "limit")

    def __repr__(self) -> str:
        return f"funnel {self.key!r}"

    def _line(self) -> str:
        return f"{self}, {self.limit}"

    async def state(self) -> LimitState:
        """Say how many slots are free, without taking one."""
        return await (await self._store()).state(self.key, limit=self.limit)

    async def clear(self) -> None:
        """Free all slots, whoever holds them."""
        await (await self._store()).clear(self.key)
        await self._wake()

    async def _store(self) -> FunnelStore:
        driver = (await self._find()).driver
        return needed(driver, driver.stores.funnels, "funnel")

    async def _acquire(self, owner: str, /) -> LimitState:
        return await (await self._store()).acquire(self.key, owner, limit=self.limit, ttl=self._life)

    async def _release(self, owner: str, /) -> bool:
        return await (await self._store()).release(self.key, owner)

    async def _extend(self, owner: str, ttl: float | None, /) -> bool:
        return await (await self._store()).extend(self.key, owner, ttl=ttl or self._life)

    def _refusal(self, state: LimitState, waited: str, /) -> LockTimeout:
        return LockTimeout(
            f"{self} has {self.limit} holders, and no slot was free {waited}; "
            f"the first one becomes free in {state.retry_after:.1f} s at the latest",
            key=self.key,
            limit=self.limit,
            retry_after=state.retry_after,
        )
