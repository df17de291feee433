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

_VARIANT = 0x8000_0000_0000_0000


def new_id() -> str:
    """Return a UUIDv7 (RFC 9562, 5.7) with 12 bits of sub-millisecond time, so that ids of one process ascend."""
    global _last  # noqa: PLW0603  the only way to ascend is to know the last one
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    ticks = (milliseconds << 12) | (rest << 12) // 1_000_000
    _last = ticks = max(ticks, _last + 1)
    low = int.from_bytes(os.urandom(8), "big") >> 2 | _VARIANT
    text = f"{ticks >> 12:012x}7{ticks & 0xFFF:03x}{low:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def check_id(given: Any) -> str:
    """Return an id that a user chose, or refuse it."""
    if not isinstance(given, str) or not _ALLOWED.fullmatch(given):
        raise WrongValue(f"id={given!r}: an id is a text of 1 to 200 letters, digits, or . : - _")
    return given
