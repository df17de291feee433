"""`--processes N`: a parent that starts, replaces and stops worker processes; it runs no job itself."""

from __future__ import annotations

import logging
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Final

from asyncq.config import child_environment
from asyncq.worker.ledger import make_file, overdue, read_beat

__all__ = ["run_processes"]

POLL: Final = 0.1
SILENT_AFTER: Final = 2.0
"""Seconds without a beat after which a child's threads count as stopped."""
CANCEL_GRACE: Final = 5.0
HEALTHY_AFTER: Final = 10.0
"""Seconds after which a child that ends is started again at once."""
KILL_SLACK: Final = 8.0
"""Seconds past a child's own shutdown budget after which it is killed."""
REFUSED: Final = frozenset({2, 3})
"""Exit codes that no restart can mend: wrong usage, wrong configuration."""
_log = logging.getLogger("asyncq.processes")


@dataclass(slots=True)
class _Child:
    """One place for a process, and the process that has it now."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    ledger: int = -1
    predecessor: int | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    failures: int = 0
    finished: bool = False
    stop_by: float = float("inf")


def run_processes(arguments: Sequence[str], count: int, grace: float) -> int:
    """Run `asyncq work ARGUMENTS` in `count` processes until a signal ends them or all have ended by themselves.

    Children are started, never forked, each in a session of its own, so that a Ctrl-C reaches only this process; they
    drain by themselves when it is gone. Returns the exit code: 0, or that of a child that cannot start.
    """
    return _Parent(arguments, count, grace).run()


class _Parent:
    def __init__(self, arguments: Sequence[str], count: int, grace: float) -> None:
        self._command = [sys.executable, "-m", "asyncq", "work", *arguments]
        self._budget = grace + min(10.0, max(1.0, grace)) + KILL_SLACK
        self._ends_itself = any(item.startswith(("--once", "--stop-when-empty")) for item in arguments)
        self._children = [_Child(number) for number in range(count)]
        self._alive_end, self._parent_end = os.pipe()
        self._stopping = False
        self._rolling: list[tuple[_Child, subprocess.Popen[bytes] | None]] = []
        self._code = 0

    def run(self) -> int:
        """Watch the children until none is left."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGHUP, self._on_roll)
        for number in (signal.SIGUSR2, signal.SIGCONT):
            signal.signal(number, self._on_forward)
        while not all(child.finished for child in self._children):
            for child in self._children:
                self._look_after(child)
            self._roll()
            time.sleep(POLL)
        return self._code

    def _look_after(self, child: _Child) -> None:
        if child.finished:
            return
        if child.process is None:
            self._start_if_due(child)
        elif (code := child.process.poll()) is not None:
            self._ended(child, code)
        elif time.monotonic() > child.stop_by or self._is_silent(child):
            child.process.kill()
        elif self._stopping and child.stop_by == float("inf"):
            self._send(child, signal.SIGTERM)  # the signal came while this child was being started

    def _start_if_due(self, child: _Child) -> None:
        if self._stopping:
            child.finished = True
        elif time.monotonic() >= child.start_at:
            self._start(child)

    def _start(self, child: _Child) -> None:
        child.ledger, child.stop_by = make_file(), float("inf")
        fds = [self._alive_end, child.ledger, *([] if child.predecessor is None else [child.predecessor])]
        child.process = subprocess.Popen(  # noqa: S603  # the command line that started us
            self._command,
            env=child_environment(*fds),
            pass_fds=fds,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
        child.started_at = time.monotonic()
        if child.predecessor is not None:
            os.close(child.predecessor)
            child.predecessor = None

    def _ended(self, child: _Child, code: int) -> None:
        silenced = child.process is not None and code == -signal.SIGKILL and self._held(child)
        child.process = None
        if silenced:
            child.predecessor = child.ledger
        else:
            os.close(child.ledger)
        if code in REFUSED:
            self._code = code
            self._on_stop(signal.SIGTERM, None)
        if self._stopping or (code == 0 and self._ends_itself) or code in REFUSED:
            child.finished = True
            return
        child.start_at = time.monotonic() + self._delay(child, code)

    def _delay(self, child: _Child, code: int) -> float:
        """Return how long to wait before the next start: nothing after a healthy life, else up to 5 s."""
        if code in {0, 12} or time.monotonic() - child.started_at > HEALTHY_AFTER:
            child.failures = 0
            return 0.0
        child.failures += 1
        wait = random.uniform(0.05, min(5.0, 0.1 * 2 ** min(child.failures, 6)))
        _log.warning("process %d ended with code %d; it is started again in %.1f s", child.number, code, wait)
        return wait

    def _is_silent(self, child: _Child) -> bool:
        """Say whether the child's threads have stopped while a job is past its timeout and grace."""
        beat = read_beat(child.ledger)
        if beat is None or time.monotonic() - beat < SILENT_AFTER or not self._held(child):
            return False
        _log.critical("process %d is held by a job past its timeout, GIL and all; it is replaced", child.number)
        return True

    def _held(self, child: _Child) -> bool:
        return overdue(child.ledger, CANCEL_GRACE) is not None

    def _roll(self) -> None:
        """Replace the children one by one: the next drains when the successor of the last one works."""
        if not self._rolling or self._stopping:
            return
        child, old = self._rolling[0]
        if child.process is old and old is not None:
            if child.stop_by == float("inf"):
                self._send(child, signal.SIGTERM)
        elif child.process is not None and read_beat(child.ledger) is not None:
            self._rolling.pop(0)

    def _send(self, child: _Child, number: int) -> None:
        if child.process is None or child.process.poll() is not None:
            return
        child.process.send_signal(number)
        if number == signal.SIGTERM:
            child.stop_by = min(child.stop_by, time.monotonic() + self._budget)

    def _on_stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping = True
        for child in self._children:
            self._send(child, signal.SIGTERM)

    def _on_roll(self, number: int, frame: FrameType | None) -> None:
        self._rolling = [(child, child.process) for child in self._children if not child.finished]

    def _on_forward(self, number: int, frame: FrameType | None) -> None:
        for child in self._children:
            self._send(child, number)
