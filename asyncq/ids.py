"""Job ids: UUIDv7 text whose order is the order in which one process made them."""

from __future__ import annotations

import os
import re
import time
from typing import Any

from asyncq.errors import WrongValue

__all__ = ["check_id", "new_id"]

_ALLOWED = re.compile(r"[\w.:-]{1,200}", re.ASCII)
_last = 0

_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The variant's two bits in front of two random ones, by random digit."""


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562, 5.7) with 12 bits of sub-millisecond time, so that ids of one process ascend."""
    global _last  # noqa: PLW0603  the only way to ascend is to know the last one
    _last = ticks = max((time.time_ns() << 12) // 1_000_000, _last + 1)
    high, low = f"{ticks:015x}", os.urandom(8).hex()
    return f"{high[:8]}-{high[8:12]}-7{high[12:]}-{_VARIANT[low[0]]}{low[1:4]}-{low[4:]}"


def check_id(given: Any) -> str:
    """Return an id that a user chose, or refuse it."""
    if not isinstance(given, str) or not _ALLOWED.fullmatch(given):
        raise WrongValue(f"id={given!r}: an id is a text of 1 to 200 letters, digits, or . : - _")
    return given
