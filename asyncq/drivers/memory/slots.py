"""Slots that owners hold for a time: those of funnels, and the hits of sliding windows."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from contextlib import AbstractContextManager

from asyncq.clock import Clock
from asyncq.drivers.memory.expiring import Expiring
from asyncq.records import LimitState

__all__ = ["MemoryFunnels", "Slots"]


class _Ends:
    """The owners of one key with the ends of their slots; a heap finds those that ended, without a look at the rest."""

    __slots__ = ("_heap", "_of", "last")

    def __init__(self) -> None:
        self._of: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self.last = 0.0
        """No slot ends later."""

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, owner: str) -> bool:
        return owner in self._of

    def put(self, owner: str, end: float) -> None:
        """Set the end of an owner's slot; an earlier one stays in the heap until it is met there."""
        self._of[owner] = end
        self.last = max(self.last, end)
        heapq.heappush(self._heap, (end, owner))
        if len(self._heap) > 2 * len(self._of) + 64:
            self._heap = [(end, owner) for owner, end in self._of.items()]
            heapq.heapify(self._heap)

    def drop(self, owner: str) -> bool:
        """Forget an owner."""
        return self._of.pop(owner, None) is not None

    def tidy(self, now: float) -> None:
        """Forget what ended, and what is no longer true at the top of the heap."""
        heap = self._heap
        while heap and (heap[0][0] <= now or self._of.get(heap[0][1]) != heap[0][0]):
            end, owner = heapq.heappop(heap)
            if self._of.get(owner) == end:
                del self._of[owner]

    def nth(self, place: int) -> float:
        """Return the end that so many others come before; the first is at the top of a tidy heap."""
        return heapq.nsmallest(place + 1, self._of.values())[-1] if place else self._heap[0][0]


class Slots:
    """Slots by key and owner. Called under the lock of the state."""

    def __init__(self, at: Callable[[], float]) -> None:
        self._at = at
        self._ends: Expiring[_Ends] = Expiring(at)

    def take(self, key: str, owner: str, limit: int, ttl: float) -> LimitState:
        """Take a slot, or restart this owner's."""
        ends = self._live(key)
        if owner not in ends and len(ends) >= limit:
            return self._state(ends, limit)
        self._put(key, ends, owner, ttl)
        return LimitState(True, max(0, limit - len(ends)), 0.0)

    def state(self, key: str, limit: int) -> LimitState:
        """Say how many slots are free."""
        return self._state(self._live(key), limit)

    def free(self, key: str, owner: str) -> bool:
        """Free this owner's slot."""
        return self._live(key).drop(owner)

    def extend(self, key: str, owner: str, ttl: float) -> bool:
        """Restart this owner's slot, if it is held."""
        ends = self._live(key)
        if owner not in ends:
            return False
        self._put(key, ends, owner, ttl)
        return True

    def clear(self, key: str) -> None:
        """Free all."""
        self._ends.pop(key)

    def _live(self, key: str) -> _Ends:
        ends = self._ends.get(key) or _Ends()
        ends.tidy(self._at())
        return ends

    def _put(self, key: str, ends: _Ends, owner: str, ttl: float) -> None:
        now = self._at()
        ends.put(owner, now + ttl)
        self._ends.put(key, ends, ends.last - now)

    def _state(self, ends: _Ends, limit: int) -> LimitState:
        left = max(0, limit - len(ends))
        if left or not len(ends):
            return LimitState(left > 0, left, 0.0)
        # There is room when so many have ended that fewer than the limit are left, which may have been lowered.
        return LimitState(False, 0, ends.nth(min(len(ends) - limit, len(ends) - 1)) - self._at())


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
