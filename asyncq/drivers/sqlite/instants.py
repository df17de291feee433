"""The time of the queue: it never goes back and never stands still, whatever the wall clock does."""

from __future__ import annotations

import threading

from asyncq.clock import Clock

__all__ = ["MICRO", "Instants", "micros"]

MICRO = 1_000_000
_LATEST = 2**62
"""Past every instant that is meant, and still with room to add to in 64 bits."""


def micros(seconds: float) -> int:
    """Return seconds as whole microseconds, within what SQLite can store."""
    return round(min(max(seconds, 0.0), _LATEST / MICRO) * MICRO)


class Instants:
    """`now` = the wall clock, or the latest instant seen, carried on by the monotonic clock; whichever is later.

    A wall clock that is set back would otherwise freeze every lease and delay until it caught up, or make an expired
    lease valid again. The price: after a jump forward that was a mistake, the queue stays ahead of the wall clock.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = micros(clock.now())
        self._at = clock.monotonic()

    def now(self) -> int:
        """Return microseconds since 1970."""
        with self._lock:
            wall, at = micros(self._clock.now()), self._clock.monotonic()
            self._seen = max(wall, self._seen + round((at - self._at) * MICRO))
            self._at = at
            return self._seen

    def absorb(self, seen: int) -> None:
        """Take over an instant that another process saw, if it is later."""
        with self._lock:
            self._seen = max(self._seen, seen)
