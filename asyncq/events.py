"""What happens, as frozen values that listeners receive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Event",
    "JobAttempted",
    "JobCancelled",
    "JobExceptionOccurred",
    "JobFailed",
    "JobInterrupted",
    "JobPopped",
    "JobPopping",
    "JobProcessed",
    "JobProcessing",
    "JobQueued",
    "JobQueueing",
    "JobReleased",
    "JobReleasedAfterException",
    "JobRetryRequested",
    "JobTimedOut",
    "LoopBlocked",
    "Looping",
    "QueueBusy",
    "QueuePaused",
    "QueueResumed",
    "UniqueJobSkipped",
    "WorkerEvent",
    "WorkerIdle",
    "WorkerInterrupted",
    "WorkerPausing",
    "WorkerQueuePaused",
    "WorkerQueueResumed",
    "WorkerResuming",
    "WorkerStarting",
    "WorkerStopping",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""


@dataclass(frozen=True, slots=True)
class _Push(Event):
    connection: str
    queue: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class JobQueueing(_Push):
    """A job is about to be pushed."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class JobQueued(_Push):
    """A job was pushed."""

    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class UniqueJobSkipped(_Push):
    """A dispatch wrote nothing, since another job holds its unique key; `id` is that job's."""


@dataclass(frozen=True, slots=True)
class JobRetryRequested(_Push):
    """A failed job is about to be pushed again."""


@dataclass(frozen=True, slots=True)
class JobPopping(Event):
    """A worker is about to reserve."""

    connection: str
    queues: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Run(Event):
    connection: str
    queue: str
    id: str
    name: str
    attempt: int
    job: Any = field(repr=False, default=None)
    """The job's instance; None where the payload could not be opened."""


@dataclass(frozen=True, slots=True)
class JobPopped(_Run):
    """A job was reserved."""


@dataclass(frozen=True, slots=True)
class JobProcessing(_Run):
    """An attempt starts."""


@dataclass(frozen=True, slots=True)
class JobProcessed(_Run):
    """An attempt ended without an error and its settlement was confirmed."""

    seconds: float = 0.0
    result: Any = field(repr=False, default=None)


@dataclass(frozen=True, slots=True)
class JobReleased(_Run):
    """A job put itself back."""

    delay: float | None = 0.0


@dataclass(frozen=True, slots=True)
class JobExceptionOccurred(_Run):
    """An error left a job; told for every such attempt, before the event that tells its fate."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class JobReleasedAfterException(_Run):
    """A job was put back for another attempt."""

    error: BaseException | None = None
    delay: float | None = 0.0


@dataclass(frozen=True, slots=True)
class JobFailed(_Run):
    """A job failed for good and its settlement was confirmed."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class JobTimedOut(_Run):
    """An attempt ran into its timeout."""

    timeout: float = 0.0


@dataclass(frozen=True, slots=True)
class JobInterrupted(_Run):
    """A running job was handed back because its worker stopped, or because its lease was lost."""

    reason: str = "shutdown"


@dataclass(frozen=True, slots=True)
class JobCancelled(_Run):
    """A job was cancelled: before it began, where `attempt` counts those that it had, or while it ran."""

    reason: str | None = "user"


@dataclass(frozen=True, slots=True)
class JobAttempted(_Run):
    """An attempt ended, whichever way; always the last event of it."""

    error: BaseException | None = None

    @property
    def successful(self) -> bool:
        """True where no error left the job."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class LoopBlocked(Event):
    """A job holds the event loop."""

    id: str
    name: str
    file: str
    line: int
    seconds: float


@dataclass(frozen=True, slots=True)
class WorkerEvent(Event):
    """Base of what a worker tells of itself."""

    connection: str
    queues: Sequence[str]
    worker: str = ""


@dataclass(frozen=True, slots=True)
class WorkerStarting(WorkerEvent):
    """A worker starts."""


@dataclass(frozen=True, slots=True)
class Looping(WorkerEvent):
    """A worker is about to look for jobs; a listener that returns False vetoes this round."""


@dataclass(frozen=True, slots=True)
class WorkerIdle(WorkerEvent):
    """A worker found nothing to do."""


@dataclass(frozen=True, slots=True)
class WorkerInterrupted(WorkerEvent):
    """A worker received a signal to stop."""

    signal: str = ""


@dataclass(frozen=True, slots=True)
class WorkerPausing(WorkerEvent):
    """A worker was paused by a signal."""


@dataclass(frozen=True, slots=True)
class WorkerResuming(WorkerEvent):
    """A worker was resumed by a signal."""


@dataclass(frozen=True, slots=True)
class WorkerQueuePaused(Event):
    """A worker noticed that a queue is paused."""

    connection: str
    queue: str


@dataclass(frozen=True, slots=True)
class WorkerQueueResumed(Event):
    """A worker noticed that a queue is no longer paused."""

    connection: str
    queue: str


@dataclass(frozen=True, slots=True)
class WorkerStopping(WorkerEvent):
    """A worker is leaving; nothing is running any more."""

    reason: str = ""
    jobs: int = 0
    status: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class QueuePaused(Event):
    """Somebody paused a queue; `queue` is `*` for all."""

    connection: str
    queue: str
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class QueueResumed(Event):
    """Somebody resumed a queue; `queue` is `*` for all."""

    connection: str
    queue: str


@dataclass(frozen=True, slots=True)
class QueueBusy(Event):
    """`asyncq monitor` found a queue at or over its threshold; `size` is all the jobs that it holds."""

    connection: str
    queue: str
    size: int
