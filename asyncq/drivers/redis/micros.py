"""Durations and instants as whole microseconds, the unit of the scripts."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["MICRO", "micros", "millis"]

MICRO: Final = 1_000_000
_LAST: Final = 2**52
"""Scores are doubles: beyond 2**53 they lose whole numbers, and now must still be added."""


def micros(seconds: float) -> int:
    """Return whole microseconds; what is too long to be counted becomes the longest there is.

    Raises:
        ValueError: it is no number.
    """
    if math.isnan(seconds):
        raise ValueError("a delay or an instant must be a number, not nan")
    return round(min(max(seconds * MICRO, -_LAST), _LAST))


def millis(seconds: float) -> int:
    """Return whole milliseconds, at least one: the server refuses a life of 0."""
    return max(1, micros(seconds) // 1000)
