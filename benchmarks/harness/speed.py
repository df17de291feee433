"""How quick the machine is at this moment."""

from __future__ import annotations

import time

__all__ = ["speed"]

STEPS = 300_000


def speed() -> float:
    """Run a bare loop of some 10 ms; millions of steps per second."""
    start, total = time.perf_counter(), 0
    for number in range(STEPS):
        total += number & 7
    return STEPS / (time.perf_counter() - start) / 1e6
