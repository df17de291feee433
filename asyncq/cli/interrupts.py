"""Signals that ask for the end, noted where an exception would leave a process behind."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["Interrupts", "noted"]

POLL: Final = 0.05
_NUMBERS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Interrupts:
    """Counts them.

    A handler that raised could lose a process that is just being started, leave the lock inside `Popen.wait` held for
    ever, or be passed over in a finalizer. No `threading.Event`: a second signal could come while its lock is held.
    """

    def __init__(self) -> None:
        self.count = 0

    def is_set(self) -> bool:
        """Return True once one has come."""
        return self.count > 0

    def end(self, process: subprocess.Popen[bytes], within: float, *, told: int, again: Callable[[], None]) -> None:
        """Let a process end by itself, for so many seconds at most; each signal beyond `told` does `again`."""
        kill_at = time.monotonic() + within
        process.terminate()
        while process.poll() is None:
            if time.monotonic() > kill_at:
                process.kill()
            elif self.count > told:
                told = self.count
                again()
            time.sleep(POLL)

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        self.count += 1


@contextmanager
def noted() -> Generator[Interrupts]:
    """Note the signals while the block lasts."""
    interrupts = Interrupts()
    before = {number: signal.getsignal(number) for number in _NUMBERS}
    try:
        for number in _NUMBERS:
            signal.signal(number, interrupts.note)
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
