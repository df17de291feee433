"""Follows the wishes to cancel jobs, and cancels those that this worker holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from asyncq.marks import cancel_name, cancel_prefix, cancels_name
from asyncq.records import Signal
from asyncq.run import Run
from asyncq.stores import SignalStore
from asyncq.worker.deadlines import Deadlines
from asyncq.worker.desk import Desk

__all__ = ["Cancels"]

_log = logging.getLogger("asyncq.worker")


class Cancels:
    """A wish stays until the job that it names was cancelled, by whichever worker has it then."""

    def __init__(self, connection: str, desk: Desk, deadlines: Deadlines, settle: Callable[[Run], None]) -> None:
        self.flag = cancels_name(connection)
        """The signal that changes with each wish."""
        self._connection = connection
        self._desk = desk
        self._deadlines = deadlines
        self._settle = settle
        """Settles a run that has not begun, as its cause says."""
        self._seen: bytes | None = None
        self._wishes: frozenset[str] = frozenset()
        self._done: list[str] = []

    async def heed(self, signals: SignalStore, flag: Signal | None) -> None:
        """Read the wishes if there are new ones, and do what they say; forget those that are done."""
        if self._done:
            done, self._done = self._done, []
            await signals.forget([cancel_name(self._connection, id) for id in done])
            self._wishes = self._wishes.difference(done)
        value = None if flag is None else flag.value
        if value == self._seen:
            return
        prefix = cancel_prefix(self._connection)
        self._wishes = frozenset(item.name.removeprefix(prefix) for item in await signals.page(prefix))
        self._seen = value
        for run in list(self._desk.held):
            if run.reservation.id in self._wishes:
                self._cancel(run)

    def catches(self, run: Run) -> bool:
        """Cancel a job that is about to start, if somebody wishes so; says whether it was."""
        if not self._wishes or run.reservation.id not in self._wishes:
            return False
        self._end(run)
        return True

    def note(self, runs: Sequence[Run]) -> None:
        """Take note of confirmed ends: whatever they were, no wish is left for those jobs."""
        if self._wishes:
            for run in runs:
                if run.reservation.id in self._wishes and run.ends_its_job:
                    self._done.append(run.reservation.id)

    def _cancel(self, run: Run) -> None:
        if run in self._desk.running and run.cause is None:
            _log.info("%s %s is cancelled by a user", run.name, run.reservation.id)
            self._deadlines.cancel(run, "user")
        elif run in self._desk.waiting:
            self._desk.waiting.remove(run)
            self._end(run)

    def _end(self, run: Run) -> None:
        run.cause = "user"
        self._settle(run)
