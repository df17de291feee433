"""`Stop`: that a worker shall end, why, since when, and how long it may take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from asyncq.worker.options import WorkerOptions

__all__ = ["MEMORY_EXIT", "Stop"]

MEMORY_EXIT = 12


class Stop:
    """Requested once or twice: the second request skips the grace. May be called from a signal handler."""

    def __init__(self, options: WorkerOptions) -> None:
        self._options = options
        self._loop = asyncio.get_running_loop()
        self.event = asyncio.Event()
        """Set in the loop after the first request."""
        self.hurry = asyncio.Event()
        """Set in the loop after the second."""
        self.reason = ""
        self.code = 0
        self.requested_at: float | None = None
        """Monotonic instant of the first request."""
        self._hurried = False

    @property
    def requested(self) -> bool:
        """True from the moment of the first request, also while the loop is blocked."""
        return self.requested_at is not None

    @property
    def cancel_at(self) -> float:
        """Monotonic instant at which running jobs are cancelled; infinity where no stop was asked for."""
        if self.requested_at is None:
            return float("inf")
        return self.requested_at + (0.0 if self._hurried else self._options.grace)

    @property
    def end_at(self) -> float:
        """Monotonic instant at which everything has to be handed back."""
        return self.cancel_at + self._options.hand_back

    def request(self, reason: str, code: int = 0) -> None:
        """Ask for the end; asked again, end without the grace."""
        if self.requested_at is None:
            self.requested_at, self.reason, self.code = time.monotonic(), reason, code
            self.call_in_loop(self.event.set)
        elif not self._hurried:
            self._hurried = True
            self.call_in_loop(self.hurry.set)

    def call_in_loop(self, call: Callable[[], None]) -> None:
        """Call from any thread, or from a signal handler."""
        try:
            self._loop.call_soon_threadsafe(call)
        except RuntimeError:
            return  # the loop is closed: whoever asks comes after the end
