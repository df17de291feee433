"""A dict whose values live for a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

__all__ = ["Expiring"]

V = TypeVar("V")

_SWEEP_FROM = 64


class Expiring(Generic[V]):
    """Values by key, each with the monotonic instant at which it is gone; None: never.

    What nobody asks for again is swept out when the dict has doubled, so it cannot grow for ever.
    """

    __slots__ = ("_at", "_sweep_at", "_values")

    def __init__(self, at: Callable[[], float]) -> None:
        self._at = at
        self._values: dict[str, tuple[V, float | None]] = {}
        self._sweep_at = _SWEEP_FROM

    def get(self, key: str) -> V | None:
        """Return the value if it still lives."""
        found = self._values.get(key)
        if found is None or (found[1] is not None and found[1] <= self._at()):
            return None
        return found[0]

    def left(self, key: str) -> float:
        """Return how many seconds the value of this key still lives; 0.0 where there is none or it has no end."""
        found = self._values.get(key)
        return 0.0 if found is None or found[1] is None else max(0.0, found[1] - self._at())

    def put(self, key: str, value: V, ttl: float | None) -> None:
        """Set a value; its life starts now."""
        if len(self._values) >= self._sweep_at:
            self.sweep()
            self._sweep_at = 2 * len(self._values) + _SWEEP_FROM
        self._values[key] = (value, None if ttl is None else self._at() + ttl)

    def pop(self, key: str) -> V | None:
        """Remove a value; returns it if it still lived."""
        value = self.get(key)
        self._values.pop(key, None)
        return value

    def live(self) -> Iterator[tuple[str, V]]:
        """Go through what lives, by key."""
        for key in sorted(self._values):
            value = self.get(key)
            if value is not None:
                yield key, value

    def sweep(self) -> int:
        """Remove what is gone; returns how many."""
        at = self._at()
        gone = [key for key, (_, until) in self._values.items() if until is not None and until <= at]
        for key in gone:
            del self._values[key]
        return len(gone)
