"""Which dispatches an assertion means, and the words of one that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncq.clock import Seconds, seconds
from asyncq.function import FunctionJob, JobFunction
from asyncq.job import BoundJob, Job
from asyncq.testing.record import Dispatched, Way

__all__ = ["Wanted", "describe_all", "job_class"]

SHOWN: Final = 20
_VERBS: Final[Mapping[Way, str]] = {
    "queue": "dispatched",
    "sync": "dispatched to run here and now",
    "after_response": "dispatched to run after the response",
}
Which = type[Job] | JobFunction[..., Any]


def job_class(job: object) -> type[Job]:
    """Return the class of what a test names.

    Raises:
        TypeError: it is neither a job class nor a job function.
    """
    if isinstance(job, JobFunction):
        return job.job_type
    if isinstance(job, type) and issubclass(job, Job):
        return job
    if isinstance(job, (Job, BoundJob)):
        raise TypeError(f"name the class and not {job!r}; compare its fields with where=lambda job: …")
    raise TypeError(f"name a Job class or a function made by @job, not {job!r}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an assertion looks for."""

    cls: type[Job]
    where: Callable[..., bool] | None = None
    queue: str | None = None
    connection: str | None = None
    delay: Seconds | None = None
    way: Way = "queue"

    def among(self, records: Iterable[Dispatched[Any]]) -> Sequence[Dispatched[Any]]:
        """Return those that are meant."""
        return [record for record in self.kin(records) if self._fits(record)]

    def kin(self, records: Iterable[Dispatched[Any]]) -> Sequence[Dispatched[Any]]:
        """Return those of the same class, whatever else is asked."""
        return [record for record in records if isinstance(record.job, self.cls) and record.way == self.way]

    def _fits(self, record: Dispatched[Any]) -> bool:
        if self.queue is not None and record.queue != self.queue:
            return False
        if self.connection is not None and record.connection != self.connection:
            return False
        if self.delay is not None and abs(record.delay - seconds(self.delay, "delay")) > 1e-3:
            return False
        return self.where is None or bool(_ask(self.where, record.job))

    def __str__(self) -> str:
        said = {"queue": self.queue, "connection": self.connection, "delay": self.delay}
        words = [f"{key}={value!r}" for key, value in said.items() if value is not None]
        words += ["passing `where`"] if self.where is not None else []
        return self.cls.__qualname__ + (f" ({', '.join(words)})" if words else "")

    def verb(self) -> str:
        """How it was dispatched."""
        return _VERBS[self.way]

    def too_many(self, found: Sequence[Dispatched[Any]], times: int) -> str:
        """Say how often it was, and not `times`."""
        against = f", not {_times(times)}" if times else ""
        return f"{self} was {self.verb()} {_times(len(found))}{against}; {describe_all(found)}"

    def missing(self, records: Sequence[Dispatched[Any]]) -> str:
        """Say that there was none, and what there was instead."""
        kin = self.kin(records)
        if kin:
            return f"{self} was not {self.verb()}, but {self.cls.__qualname__} was:\n{_listed(kin)}"
        return f"{self} was not {self.verb()}; {describe_all(records)}"


def _ask(where: Callable[..., bool], job: Job) -> bool:
    """Give a function job's arguments as its function takes them, any other job as it is."""
    if isinstance(job, FunctionJob):
        positional, named = job.arguments_()
        return where(*positional, **named)
    return where(job)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def describe_all(records: Sequence[Dispatched[Any]]) -> str:
    """Return all that was dispatched, a line for each."""
    return f"these jobs were dispatched:\n{_listed(records)}" if records else "nothing was dispatched at all"


def _listed(records: Sequence[Dispatched[Any]]) -> str:
    lines = [f"  {number}. {record}" for number, record in enumerate(records[:SHOWN], 1)]
    return "\n".join([*lines, *([f"  … and {len(records) - SHOWN} more"] if len(records) > SHOWN else [])])
