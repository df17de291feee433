"""Says what became of a job: log lines for what went wrong, events for who listens."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

from asyncq.errors import JobSignal, TooManyExceptions
from asyncq.events import (
    Event,
    JobAttempted,
    JobCancelled,
    JobExceptionOccurred,
    JobFailed,
    JobInterrupted,
    JobProcessed,
    JobReleased,
    JobReleasedAfterException,
    JobTimedOut,
)
from asyncq.listeners import Listeners
from asyncq.payload import Cancelled, Done, Failed, Outcome, Released
from asyncq.retry import describe
from asyncq.run import Facts, Run

__all__ = ["Report"]

_log = logging.getLogger("asyncq.worker")


class Report:
    """Reports the runs of one connection."""

    def __init__(self, listeners: Listeners, connection: str, log: logging.Logger = _log) -> None:
        self._listeners = listeners
        self._connection = connection
        self._log = log

    def log(self, run: Run) -> None:
        """Log a failure, a retry or a hand-back; a job that was done leaves a line only at level DEBUG."""
        outcome = run.settlement.outcome if run.settlement else None
        if type(outcome) is Done and not self._log.isEnabledFor(logging.DEBUG):
            return
        item = run.reservation
        extra = self._extra(run, outcome)
        if isinstance(outcome, Failed):
            self._log.error(
                "%s %s failed for good in attempt %d: %s",
                run.name,
                item.id,
                item.attempt,
                describe(outcome.error),
                exc_info=outcome.error if outcome.error.__traceback__ else None,
                extra=extra,
            )
        elif isinstance(outcome, Released) and outcome.count == "nothing":
            reason = outcome.reason or _told(outcome)
            self._log.info("%s %s was handed back: %s", run.name, item.id, reason, extra=extra)
        elif isinstance(outcome, Released):
            level = logging.WARNING if outcome.count == "exception" else logging.INFO
            delay, told = outcome.delay or 0.0, _told(outcome)
            self._log.log(level, "%s %s goes back for %.3g s: %s", run.name, item.id, delay, told, extra=extra)
        elif isinstance(outcome, Cancelled):
            self._log.info("%s %s was cancelled: %s", run.name, item.id, outcome.reason, extra=extra)
        else:
            self._log.debug("%s %s done in %.1f ms", run.name, item.id, 1e3 * extra["duration"], extra=extra)

    def _extra(self, run: Run, outcome: Outcome | None) -> dict[str, Any]:
        """Return what a log line says of a job in fields, for machines."""
        item = run.reservation
        error = outcome.error if isinstance(outcome, (Failed, Released)) else None
        status, result = _fate(outcome)
        return {
            "id": item.id,
            "connection": self._connection,
            "queue": item.queue,
            "job": run.name,
            "status": status,
            "result": result,
            "attempts": item.attempt,
            "exception": None if error is None else describe(error),
            "duration": round(time.monotonic() - run.started_at, 6) if run.started_at else 0.0,
        }

    async def tell(self, run: Run) -> None:
        """Tell the listeners how an attempt ended, after its settlement was confirmed."""
        for event in self._events(run):
            await self._listeners.emit(event)

    def _events(self, run: Run) -> Iterator[Event]:
        facts = run.facts(self._connection)
        outcome = run.settlement.outcome if run.settlement else None
        error = outcome.error if isinstance(outcome, (Failed, Released)) else None
        raised = None if isinstance(error, JobSignal) else error
        if raised is not None and run.cause == "timeout":
            yield JobTimedOut(*facts, run.rules.timeout)
        if raised is not None:
            yield JobExceptionOccurred(*facts, raised.__cause__ if isinstance(raised, TooManyExceptions) else raised)
        if isinstance(outcome, Failed):
            yield JobFailed(*facts, outcome.error)
        elif isinstance(outcome, Released):
            yield self._release(facts, outcome, raised)
        elif isinstance(outcome, Cancelled):
            yield JobCancelled(*facts, outcome.reason)
        else:
            took = time.monotonic() - run.started_at
            yield JobProcessed(*facts, took, outcome.result if isinstance(outcome, Done) else None)
        yield JobAttempted(*facts, raised)

    def _release(self, facts: Facts, outcome: Released, raised: BaseException | None) -> Event:
        if outcome.count == "nothing":
            return JobInterrupted(*facts, outcome.reason or "unknown name")
        if raised is not None:
            return JobReleasedAfterException(*facts, raised, outcome.delay)
        return JobReleased(*facts, outcome.delay)


def _fate(outcome: Outcome | None) -> tuple[str, str]:
    """Return what happened in an attempt, and what became of the job."""
    if isinstance(outcome, Failed):
        return "failed", "failed"
    if isinstance(outcome, Cancelled):
        return "cancelled", "deleted"
    if not isinstance(outcome, Released):
        return "success", "deleted"
    if outcome.count == "nothing":
        return "handed_back", "released"
    return "released_after_exception" if outcome.count == "exception" else "released", "released"


def _told(outcome: Released) -> str:
    return describe(outcome.error) if outcome.error is not None else "released"
