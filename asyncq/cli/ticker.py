"""A line for each job on a terminal; where they come thick they fold into one line a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from asyncq.cli.output import counted
from asyncq.events import (
    JobFailed,
    JobInterrupted,
    JobProcessed,
    JobReleased,
    JobReleasedAfterException,
    WorkerStopping,
)
from asyncq.retry import describe

if TYPE_CHECKING:
    from asyncq.app import AsyncQ

__all__ = ["Ticker", "show_jobs"]

LINES: Final = 8
"""So many jobs a second have a line each."""
WINDOW: Final = 1.0
Ended = JobFailed | JobInterrupted | JobProcessed | JobReleased | JobReleasedAfterException
Later = Callable[[float, Callable[[], None]], object]


class Ticker:
    """Counts the attempts of a window of a second, which opens with the first of them.

    The window after a full one folds from its start, so that a busy worker has one line a second and not nine.
    """

    def __init__(self, write: Callable[[str, str], None], later: Later) -> None:
        self._write = write
        """Takes a line and its colour."""
        self._later = later
        self._opened_at: float | None = None
        self._folds = False
        self._jobs = self._folded = self._failed = 0

    def tell(self, event: Ended) -> None:
        """Show that an attempt ended, or count it."""
        if self._opened_at is None:
            self._open()
        self._jobs += 1
        if self._folds or self._jobs > LINES:
            self._folded += 1
            self._failed += isinstance(event, JobFailed)
        else:
            self._write(*_line(event))

    def flush(self) -> None:
        """Show what was counted so far, and forget the window."""
        if self._folded and self._opened_at is not None:
            failed = f", {self._failed:,} failed" if self._failed else ""
            took = time.monotonic() - self._opened_at
            self._write(f"+{counted(self._folded, 'job')} in {took:.2g} s{failed}", "red" if failed else "")
        self._opened_at, self._folds = None, False
        self._jobs = self._folded = self._failed = 0

    def _open(self) -> None:
        self._opened_at = time.monotonic()
        self._later(WINDOW, self._close)

    def _close(self) -> None:
        was_full = self._jobs > LINES
        self.flush()
        if was_full:
            self._folds = True
            self._open()


def show_jobs(app: AsyncQ) -> None:
    """Show on stderr how each attempt of an app's jobs ends; costs an event for each."""
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    ticker = Ticker(
        lambda line, style: console.print(line, style=style, markup=False, no_wrap=True, overflow="ellipsis"),
        lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call),
    )
    for kind in (JobFailed, JobInterrupted, JobProcessed, JobReleased, JobReleasedAfterException):
        app.on(kind)(ticker.tell)

    @app.on(WorkerStopping)
    def end(event: WorkerStopping) -> None:
        ticker.flush()


def _line(event: Ended) -> tuple[str, str]:
    fate, style = _fate(event)
    attempt = f" in attempt {event.attempt}" if event.attempt > 1 else ""
    return f"{time.strftime('%H:%M:%S')}  {event.queue}  {event.name}  {event.id}  {fate}{attempt}", style


def _fate(event: Ended) -> tuple[str, str]:
    match event:
        case JobProcessed(seconds=seconds):
            return f"done in {_duration(seconds)}", "green"
        case JobFailed(error=error):
            return f"failed: {describe(error) if error is not None else 'no error'}", "red"
        case JobReleasedAfterException(error=error, delay=delay):
            return f"goes back for {delay or 0:.3g} s: {describe(error) if error is not None else ''}", "yellow"
        case JobReleased(delay=delay):
            return f"goes back for {delay or 0:.3g} s", "yellow"
        case JobInterrupted(reason=reason):
            return f"handed back: {reason}", "yellow"


def _duration(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
