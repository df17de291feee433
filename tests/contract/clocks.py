"""A clock that tests turn by hand."""

from __future__ import annotations

import threading
from asyncio import AbstractEventLoop, get_running_loop

import anyio
import anyio.lowlevel

from asyncq.clock import Clock

__all__ = ["TurnableClock"]

START = 1_800_000_000.0


class TurnableClock:
    """Virtual time: it stands still until `turn` moves it, which wakes all whose wait is over, in any loop."""

    def __init__(self, start: float = START) -> None:
        self._now = start
        self._waiters: list[tuple[float, AbstractEventLoop, anyio.Event]] = []
        self._lock = threading.Lock()
        self.clock = Clock(now=self.now, monotonic=self.now, wait=self.wait)

    def now(self) -> float:
        """Return unix seconds; also used as the monotonic time."""
        return self._now

    @property
    def waiting(self) -> int:
        """How many waits are open."""
        with self._lock:
            return len(self._waiters)

    async def wait(self, delay: float) -> None:
        """Return when the clock was turned past `delay` seconds from now."""
        waiter = (self._now + delay, get_running_loop(), anyio.Event())
        if delay <= 0:
            await anyio.lowlevel.checkpoint()
            return
        with self._lock:
            self._waiters.append(waiter)
        try:
            await waiter[2].wait()
        finally:
            with self._lock:
                self._waiters.remove(waiter)

    def turn(self, seconds: float) -> None:
        """Move the time forward and wake those whose wait is over."""
        with self._lock:
            # Microseconds, so that many small turns do not add up to a deadline that is missed by a rounding error.
            self._now = round(self._now + seconds, 6)
            over = [waiter for waiter in self._waiters if waiter[0] <= self._now]
        for _, loop, event in over:
            loop.call_soon_threadsafe(event.set)
