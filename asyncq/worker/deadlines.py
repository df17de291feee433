"""Timeouts of running jobs: one timer for all, and the ladder for handlers that do not react."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextvars import copy_context
from typing import Final

from asyncq.context import JobContext
from asyncq.run import Run
from asyncq.worker.desk import Desk

__all__ = ["Deadlines"]

HUSH_AFTER: Final = 0.05
"""Seconds for which a cancellation is delivered anew; see `Run.hush`."""


class Deadlines:
    """Keeps only the earliest deadline: a timer fires seldom and then looks at all running jobs, few as they are.

    A heap of all deadlines would hold every job that has ended for the rest of its timeout.
    """

    def __init__(self, desk: Desk, cancel_grace: float, abandon: Callable[[Run], None]) -> None:
        self._desk = desk
        self._grace = cancel_grace
        self._abandon = abandon
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        """A timer set in a job's own context would hold that job until it fires."""
        self._next = float("inf")
        self._timer: asyncio.TimerHandle | None = None

    def arm(self, ctx: JobContext) -> None:
        """Start the timeout of a run; 0 is none."""
        run = ctx.run
        if run.rules.timeout > 0 and run.cause is None:
            run.deadline = deadline = time.monotonic() + run.rules.timeout
            if deadline < self._next:
                self._schedule(deadline)
        if self._desk.ledger is not None:
            self._desk.ledger.start(run)

    def cancel(self, run: Run, cause: str) -> None:
        """Cancel a run; a handler that is still there after the grace is abandoned."""
        run.cancel(cause)  # type: ignore[arg-type]
        self._loop.call_later(HUSH_AFTER, run.hush, context=self._context)
        self._loop.call_later(self._grace, self._give_up, run, context=self._context)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self, deadline: float) -> None:
        self.close()
        self._next = deadline
        delay = max(0.0, deadline - time.monotonic())
        self._timer = self._loop.call_later(delay, self._fire, context=self._context)

    def _fire(self) -> None:
        now, self._next = time.monotonic(), float("inf")
        later = float("inf")
        for run in list(self._desk.running):
            if run.deadline is None or run.cause is not None:
                continue
            if run.deadline <= now:
                self.cancel(run, "timeout")
            else:
                later = min(later, run.deadline)
        if later < float("inf"):
            self._schedule(later)

    def _give_up(self, run: Run) -> None:
        if run in self._desk.running:
            self._abandon(run)
