"""What a worker is told: queues, limits, times."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any, TypedDict

from asyncq.clock import Seconds, seconds
from asyncq.errors import ConfigError, WrongType
from asyncq.nearest import hint
from asyncq.retry import Rules
from asyncq.settings import normalise_option

__all__ = ["EmbeddedOptions", "QueueSpec", "WorkerOptions", "parse_queues", "worker_options"]


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue to read, and how many of its jobs may run at once; None: as many as there are slots."""

    name: str
    limit: int | None = None


class EmbeddedOptions(TypedDict, total=False):
    """Options of a worker in a loop of the user's; durations in seconds or as timedelta."""

    connection: str
    concurrency: int
    prefetch: int
    grace: Seconds
    cancel_grace: Seconds
    timeout: Seconds
    tries: int
    backoff: Sequence[float]
    sleep: Seconds
    rest: Seconds
    max_jobs: int
    stop_when_empty: bool
    name: str


def _default_name() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Options of one worker process; durations in seconds, 0 is no limit."""

    connection: str | None = None
    queues: tuple[QueueSpec, ...] = ()
    """In order of priority; empty: the connection's default queue, then every queue that a known job names."""
    concurrency: int = 50
    prefetch: int | None = None
    """Jobs leased beyond the free slots; None: a quarter of the concurrency."""
    once: bool = False
    stop_when_empty: bool = False
    stop_when_empty_for: float = 0.0
    max_jobs: int = 0
    max_time: float = 0.0
    memory: float = 0.0
    """Resident size in MB at which the worker drains and exits with code 12."""
    sleep: float = 3.0
    """Longest wait between looks where the broker cannot wake us."""
    rest: float = 0.0
    """Pause of a slot after each job."""
    timeout: float = 60.0
    tries: int = 1
    backoff: tuple[float, ...] = (0.0,)
    grace: float = 20.0
    cancel_grace: float = 5.0
    """How long a cancelled handler may take to end before it counts as deaf."""
    force: bool = False
    name: str = field(default_factory=_default_name)

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise ConfigError(f"concurrency={self.concurrency}: a worker needs at least one slot")
        for name in (
            "prefetch",
            "max_jobs",
            "max_time",
            "memory",
            "sleep",
            "rest",
            "timeout",
            "tries",
            "grace",
            "cancel_grace",
        ):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ConfigError(f"{name}={value}: it takes 0 or more; 0 means {_ZERO.get(name, 'no limit')}")

    @property
    def ahead(self) -> int:
        """Jobs to lease beyond the free slots."""
        return self.concurrency // 4 if self.prefetch is None else self.prefetch

    @property
    def rules(self) -> Rules:
        """The limits of jobs that say nothing themselves."""
        return Rules(tries=self.tries, timeout=self.timeout, backoff=self.backoff)

    @property
    def hand_back(self) -> float:
        """Seconds after the grace in which cancelled jobs are handed back."""
        return min(10.0, max(1.0, self.grace))


_ZERO = {"prefetch": "none", "sleep": "no pause", "rest": "no pause", "grace": "at once"}
_DURATIONS = frozenset({"grace", "cancel_grace", "timeout", "sleep", "rest", "max_time", "stop_when_empty_for"})
_COUNTS = frozenset({"concurrency", "prefetch", "tries", "max_jobs"})
_FLAGS = frozenset({"once", "stop_when_empty", "force"})
_TEXTS = frozenset({"connection", "name"})
_KINDS: Sequence[tuple[frozenset[str], type, str]] = (
    (_COUNTS, int, "a whole number"),
    (_FLAGS, bool, "True or False"),
    (_TEXTS, str, "a text"),
    (frozenset({"memory"}), Real, "a number"),
)
_NAMES = frozenset({*_DURATIONS, *_COUNTS, *_FLAGS, *_TEXTS, "backoff", "memory"})


def parse_queues(texts: Sequence[str]) -> tuple[QueueSpec, ...]:
    """Read `mail:10,default`: names in order of priority, each with how many may run at once.

    Raises:
        ConfigError: a name is empty or comes twice, or a limit is no number above 0.
    """
    specs = [_spec(part.strip()) for text in texts for part in text.split(",")]
    names = [spec.name for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"queue {name!r} is listed twice; the order is the priority, so name it once")
    return tuple(specs)


def _spec(text: str) -> QueueSpec:
    name, colon, limit = text.rpartition(":")
    if colon and not limit:
        raise ConfigError(f"queue {text!r} ends in a colon; write for example mail:10, or mail alone")
    if not colon or not limit.lstrip("-").isdigit():
        name, limit = text, ""
    if not name:
        raise ConfigError(f"queue {text!r} has no name; write for example mail:10,default")
    if limit and int(limit) < 1:
        raise ConfigError(f"queue {text!r}: the limit is how many may run at once, 1 or more")
    return QueueSpec(name, int(limit) if limit else None)


def worker_options(queues: Sequence[str], given: Mapping[str, Any]) -> WorkerOptions:
    """Check and normalise the options of `app.worker(...)`.

    Raises:
        WrongType: an option that does not exist.
        ConfigError: an option that cannot be used.
    """
    for name in given:
        if name == "queues":
            raise WrongType("a worker takes its queues as arguments of their own: app.worker('mail', 'default')")
        if name not in _NAMES:
            raise WrongType(f"a worker has no option {name!r}{hint(name, _NAMES)}")
    for queue in queues:
        if not isinstance(queue, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers that are not checked
            raise WrongType(f"a worker takes names of queues, not {queue!r}; write app.worker('mail', 'default')")
    values = {name: _checked(name, value) for name, value in given.items() if value is not None}
    return WorkerOptions(queues=parse_queues(queues), **values)


def _checked(name: str, value: Any) -> Any:
    if name in _DURATIONS:
        return seconds(value, f"app.worker: {name}")
    if name == "backoff":
        return normalise_option(name, value, "app.worker")
    kind, said = next((kind, said) for names, kind, said in _KINDS if name in names)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise WrongType(f"app.worker: {name} takes {said}, not {value!r}")
    return value
