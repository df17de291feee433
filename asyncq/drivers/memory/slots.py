"""Slots that owners hold for a time: those of funnels, and the hits of sliding windows."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from asyncq.clock import Clock
from asyncq.drivers.memory.expiring import Expiring
from asyncq.records import LimitState

__all__ = ["MemoryFunnels", "Slots"]


class Slots:
    """The ends of slots, by key and owner. Called under the lock of the state."""

    def __init__(self, at: Callable[[], float]) -> None:
        self._at = at
        self._ends: Expiring[dict[str, float]] = Expiring(at)

    def take(self, key: str, owner: str, limit: int, ttl: float) -> LimitState:
        """Take a slot, or restart this owner's."""
        ends = self._live(key)
        if owner not in ends and len(ends) >= limit:
            return self._state(ends, limit)
        self._keep(key, {**ends, owner: self._at() + ttl})
        return LimitState(True, max(0, limit - len(ends) - (owner not in ends)), 0.0)

    def state(self, key: str, limit: int) -> LimitState:
        """Say how many slots are free."""
        return self._state(self._live(key), limit)

    def free(self, key: str, owner: str) -> bool:
        """Free this owner's slot."""
        ends = self._live(key)
        if ends.pop(owner, None) is None:
            return False
        self._keep(key, ends)
        return True

    def extend(self, key: str, owner: str, ttl: float) -> bool:
        """Restart this owner's slot, if it is held."""
        ends = self._live(key)
        if owner not in ends:
            return False
        self._keep(key, {**ends, owner: self._at() + ttl})
        return True

    def clear(self, key: str) -> None:
        """Free all."""
        self._ends.pop(key)

    def _live(self, key: str) -> dict[str, float]:
        now = self._at()
        return {owner: end for owner, end in (self._ends.get(key) or {}).items() if end > now}

    def _keep(self, key: str, ends: dict[str, float]) -> None:
        if ends:
            self._ends.put(key, ends, max(ends.values()) - self._at())
        else:
            self._ends.pop(key)

    def _state(self, ends: dict[str, float], limit: int) -> LimitState:
        left = max(0, limit - len(ends))
        if left or not ends:
            return LimitState(left > 0, left, 0.0)
        # There is room when so many have ended that fewer than the limit are left, which may have been lowered.
        opens_at = sorted(ends.values())[min(len(ends) - limit, len(ends) - 1)]
        return LimitState(False, 0, opens_at - self._at())


class MemoryFunnels:
    """Funnels, for one process."""

    def __init__(self, guard: AbstractContextManager[object], clock: Clock) -> None:
        self._guard = guard
        self._slots = Slots(clock.monotonic)

    async def acquire(self, key: str, owner: str, /, *, limit: int, ttl: float) -> LimitState:
        """Take a slot if fewer than `limit` are held, or restart the life of this owner's."""
        with self._guard:
            return self._slots.take(key, owner, limit, ttl)

    async def release(self, key: str, owner: str, /) -> bool:
        """Free this owner's slot."""
        with self._guard:
            return self._slots.free(key, owner)

    async def extend(self, key: str, owner: str, /, *, ttl: float) -> bool:
        """Restart the life of this owner's slot."""
        with self._guard:
            return self._slots.extend(key, owner, ttl)

    async def state(self, key: str, /, *, limit: int) -> LimitState:
        """Say how many slots are free."""
        with self._guard:
            return self._slots.state(key, limit)

    async def clear(self, key: str, /) -> None:
        """Free all slots."""
        with self._guard:
            self._slots.clear(key)
