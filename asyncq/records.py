"""The values that stores keep and that inspection shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from asyncq.payload import Envelope

__all__ = [
    "BatchCounts",
    "BatchPage",
    "BatchRecord",
    "BatchStrike",
    "Fact",
    "FailedJob",
    "FailedPage",
    "LimitState",
    "OutboxRow",
    "QueueSize",
    "Signal",
    "StoredResult",
    "WaitingJob",
]


@dataclass(frozen=True, slots=True)
class FailedJob:
    """A job that failed for good, with all that a retry needs."""

    id: str
    connection: str
    queue: str
    name: str
    body: bytes
    error: str
    """One line: the type and the message of the error."""
    traceback: str
    failed_at: float
    """Unix seconds by the store's clock; 0.0 asks the store to fill it in."""
    attempts: int = 0
    exceptions: int = 0
    crashes: int = 0
    group: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailedPage:
    """A page of failed jobs, newest first."""

    items: tuple[FailedJob, ...]
    total: int


@dataclass(frozen=True, slots=True)
class StoredResult:
    """The result of a job, as JSON."""

    id: str
    body: bytes
    ttl: float
    """Seconds that the result is kept."""


@dataclass(frozen=True, slots=True)
class BatchStrike:
    """A member of a batch came to its end."""

    batch: str
    member: str
    failed: bool = False
    error: str | None = None


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How far a batch is; `processed` counts members that succeeded and members that failed."""

    total: int
    pending: int
    failed: int

    @property
    def processed(self) -> int:
        """Members that ended, whichever way."""
        return self.total - self.pending


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch as a store keeps it."""

    id: str
    name: str | None = None
    options: bytes = b"{}"
    """JSON of the feature that made the batch; the store does not read it."""
    allow_failures: bool = False
    callbacks: Mapping[str, Envelope] = field(default_factory=dict[str, "Envelope"])
    """Jobs to push when their condition holds, by name: progress then catch failure finally."""
    counts: BatchCounts = BatchCounts(0, 0, 0)
    failed_ids: tuple[str, ...] = ()
    created_at: float = 0.0
    finished_at: float | None = None
    cancelled_at: float | None = None


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A page of batches, newest first."""

    items: tuple[BatchRecord, ...]
    total: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """An effect meant for a store or broker that the writing driver does not own."""

    id: str
    """Derived from the job and the effect, so that relaying twice is harmless."""
    kind: Literal["push", "strike", "failed", "result", "unlock"]
    target: str
    """Name of the connection whose driver or store shall take it; empty: the one whose outbox it lies in."""
    body: bytes
    """The effect, as `asyncq.outbox.pack` writes it."""


@dataclass(frozen=True, slots=True)
class QueueSize:
    """How many jobs a queue holds."""

    ready: int = 0
    delayed: int = 0
    reserved: int = 0
    oldest_ready_age: float | None = None
    """Seconds that the job at the head has been due; None where nothing is ready."""

    @property
    def total(self) -> int:
        """All jobs of the queue."""
        return self.ready + self.delayed + self.reserved


@dataclass(frozen=True, slots=True)
class WaitingJob:
    """A stored job as inspection shows it."""

    id: str
    queue: str
    name: str
    state: Literal["ready", "delayed", "reserved"]
    due_at: float
    attempts: int
    exceptions: int
    crashes: int
    body: bytes
    tags: tuple[str, ...] = ()
    group: str | None = None
    unique_key: str | None = None


@dataclass(frozen=True, slots=True)
class LimitState:
    """What a limit or a funnel answered."""

    allowed: bool
    remaining: int
    """Hits left in this window, or slots that are free."""
    retry_after: float
    """Seconds until there is room again; 0.0 where there is some."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A flag that workers and commands share, such as a pause, a restart mark or a heartbeat."""

    name: str
    value: bytes
    at: float
    """Unix seconds by the store's clock when it was put."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that a backend says of its server, for whoever looks after it."""

    detail: str
    status: Literal["ok", "warning", "problem"] = "ok"
    fix: str | None = None
    """What to do about a warning or a problem."""
