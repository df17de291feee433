"""The log of a worker: key=value lines for people, JSON lines for machines, and a line for each job if asked for."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from asyncq.clock import iso
from asyncq.events import JobProcessed, JobProcessing

if TYPE_CHECKING:
    from asyncq.app import AsyncQ

__all__ = ["configure", "log_jobs", "to_stream"]

FIELDS: Final = ("id", "connection", "queue", "job", "status", "result", "attempts", "exception", "duration")
"""What a record may say of a job, by `extra=`."""
_jobs = logging.getLogger("asyncq.jobs")


class _Json(logging.Formatter):
    """One JSON object a line. `uuid` is the id again, for readers of logs that were made for it."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "timestamp": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_facts(record),
        }
        if "id" in fields:
            fields["uuid"] = fields["id"]
        if record.exc_info and record.exc_info[1] is not None:
            fields.setdefault("exception", _described(record.exc_info[1]))
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, default=str, ensure_ascii=False)


class _KeyValue(logging.Formatter):
    """`time=… level=… message="…"`, then what is known of the job; a traceback on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            **_facts(record),
        }
        line = " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure(*, as_json: bool, verbosity: int = 0) -> None:
    """Send the log of asyncq to stdout as JSON, or to stderr as text, and that of others too if nobody takes it."""
    handler = logging.StreamHandler(sys.stdout if as_json else sys.stderr)
    handler.setFormatter(_Json() if as_json else _KeyValue())
    tree = logging.getLogger("asyncq")
    tree.handlers[:] = [handler]
    tree.propagate = False
    tree.setLevel(logging.DEBUG if verbosity > 1 else logging.INFO)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler)


def log_jobs(app: AsyncQ) -> None:
    """Log the start and the good end of each job; what went wrong is logged anyway. Costs an event for each."""
    app.on(JobProcessing)(_started)
    app.on(JobProcessed)(_done)


def to_stream(fields: Mapping[str, Any], message: str) -> None:
    """Log a message with fields of its own."""
    logging.getLogger("asyncq.cli").info(message, extra={"facts": fields})


def _started(event: JobProcessing) -> None:
    _jobs.info("%s starts", event.name, extra=_of(event, status="starting"))


def _done(event: JobProcessed) -> None:
    extra = _of(event, status="success", result="deleted", duration=round(event.seconds, 6))
    _jobs.info("%s done", event.name, extra=extra)


def _of(event: JobProcessing | JobProcessed, **more: Any) -> dict[str, Any]:
    return {
        "id": event.id,
        "connection": event.connection,
        "queue": event.queue,
        "job": event.name,
        "attempts": event.attempt,
        **more,
    }


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    known = {key: getattr(record, key) for key in FIELDS if getattr(record, key, None) is not None}
    if "attempts" not in known and (attempt := getattr(record, "attempt", None)) is not None:
        known["attempts"] = attempt  # the logger of a job says which attempt it is
    return {**known, **getattr(record, "facts", {})}


def _described(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _quoted(value: Any) -> str:
    text = ", ".join(map(str, cast("Sequence[Any]", value))) if isinstance(value, (list, tuple)) else str(value)
    return json.dumps(text, ensure_ascii=False) if not text or any(item in text for item in ' "=\n\t') else text
