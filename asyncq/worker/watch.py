"""Watches the event loop from the keeper's thread: names the job that holds it, and acts where that has no end."""

from __future__ import annotations

import asyncio
import logging
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Final

from asyncq.contracts import Keeper
from asyncq.events import LoopBlocked
from asyncq.run import Run
from asyncq.worker.desk import Desk
from asyncq.worker.stop import Stop

__all__ = ["LoopWatch"]

BLOCKED_AFTER: Final = 0.1
"""Seconds without a turn of the loop after which the job that holds it is named."""
SHUTDOWN_SLACK: Final = 5.0
"""Seconds past the budget of a shutdown after which a blocked loop is no longer waited for."""
_log = logging.getLogger("asyncq.loop")
_OURS = str(Path(__file__).parents[1])
_LIBRARIES = tuple(path for path in (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), _OURS) if path)


class LoopWatch:
    """Sends the loop a beat and sees whether it comes back.

    `enforce(keeper, culprit)` is called once, in the keeper's thread, when the loop is held past the timeout of the
    job that holds it and its grace, or past the budget of a shutdown (then without a culprit). `blocked` is called in
    that thread too, when a job that holds the loop has been named.
    """

    def __init__(
        self,
        desk: Desk,
        stop: Stop,
        cancel_grace: float,
        enforce: Callable[[Keeper, Run | None], None],
        blocked: Callable[[LoopBlocked], None],
    ) -> None:
        self._desk = desk
        self._stop = stop
        self._grace = cancel_grace
        self._enforce = enforce
        self._blocked = blocked
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._sent_at: float | None = None
        self._name_at = BLOCKED_AFTER
        self._acted = False

    def look(self, keeper: Keeper) -> None:
        """Send or judge a beat; called in the keeper's thread at each of its ticks."""
        if self._sent_at is None:
            self._send()
            return
        held_for = time.monotonic() - self._sent_at
        if held_for < BLOCKED_AFTER:
            return
        task = asyncio.current_task(self._loop)
        run = self._run_of(task)
        self._name(task, run, held_for)
        self._judge(keeper, run)

    def _send(self) -> None:
        if not self._desk.running and not self._stop.requested:
            return  # an idle loop need not be woken
        self._sent_at = time.monotonic()
        try:
            self._loop.call_soon_threadsafe(self._back)
        except RuntimeError:
            self._sent_at = None  # the loop is closed

    def _back(self) -> None:
        self._sent_at, self._name_at = None, BLOCKED_AFTER

    def _run_of(self, task: asyncio.Task[object] | None) -> Run | None:
        for run in list(self._desk.running):
            if run.task is task:
                return run
        return None

    def _name(self, task: asyncio.Task[object] | None, run: Run | None, held_for: float) -> None:
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # documented, underscore or not
        frame = frames.get(self._thread)
        if task is None or frame is None or held_for < self._name_at:
            return
        self._name_at *= 10  # at 0.1 s, 1 s, 10 s: where it stands may have changed
        file, line = place_of(frame)
        who = f"{run.name} {run.reservation.id}" if run else f"a task of no job ({task.get_name()})"
        _log.warning(
            "%s holds the event loop for %.2f s at %s:%d; all other jobs of this worker wait. Await what takes long, "
            "or write `def handle`, which runs in a thread",
            who,
            held_for,
            file,
            line,
        )
        if run is not None:
            self._blocked(LoopBlocked(run.reservation.id, run.name, file, line, held_for))

    def _judge(self, keeper: Keeper, run: Run | None) -> None:
        now = time.monotonic()
        if self._acted:
            return
        if now > self._stop.end_at + SHUTDOWN_SLACK:
            self._act(keeper, None)
            return
        culprit = run or self._overdue()
        if culprit is not None and culprit.deadline is not None and now > culprit.deadline + self._grace:
            self._act(keeper, culprit)

    def _overdue(self) -> Run | None:
        """Return the job whose deadline passed first: a child task of a job cannot be traced to it."""
        timed = [run for run in list(self._desk.running) if run.deadline is not None]
        return min(timed, key=lambda run: run.deadline or 0.0, default=None)

    def _act(self, keeper: Keeper, culprit: Run | None) -> None:
        self._acted = True
        self._enforce(keeper, culprit)


def place_of(frame: FrameType) -> tuple[str, int]:
    """Return file and line of the innermost frame that is neither the standard library's nor a package's."""
    innermost: FrameType = frame
    walk: FrameType | None = frame
    while walk is not None:
        if not walk.f_code.co_filename.startswith((*_LIBRARIES, "<frozen")):
            return walk.f_code.co_filename, walk.f_lineno
        walk = walk.f_back
    return innermost.f_code.co_filename, innermost.f_lineno
