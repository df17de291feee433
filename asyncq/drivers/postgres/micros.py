"""Durations and instants as whole microseconds, the unit of the tables."""

from __future__ import annotations

import math
from typing import Final

__all__ = ["MICRO", "micros", "micros_or_none"]

MICRO: Final = 1_000_000
_LAST: Final = 2**61
"""Past every instant that is meant, and still with room to add now in 64 bits."""


def micros(seconds: float) -> int:
    """Return whole microseconds; what is too long to be counted becomes the longest there is.

    Raises:
        ValueError: it is no number.
    """
    if math.isnan(seconds):
        raise ValueError("a delay or an instant must be a number, not nan")
    return round(min(max(seconds * MICRO, -_LAST), _LAST))


def micros_or_none(seconds: float | None) -> int | None:
    """Return the same; None has no end."""
    return None if seconds is None else micros(seconds)
