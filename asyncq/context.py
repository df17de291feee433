"""`JobContext`: what a running job may know and do."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from asyncq.clock import Seconds, delay_of
from asyncq.current import current, current_job
from asyncq.errors import Fail, NotSupported, Release, Skip

if TYPE_CHECKING:
    import anyio

    from asyncq.job import Job
    from asyncq.payload import Payload, Reservation, Settlement
    from asyncq.progress import Teller
    from asyncq.run import Cause, Run

__all__ = ["Completer", "Early", "JobContext", "Outlets", "Progress", "complete", "logger_of"]

_log = logging.getLogger("asyncq.job")


@dataclass(frozen=True, slots=True)
class Early:
    """The end of a run that was settled while it lasts, in a step of somebody else's that may come to nothing yet."""

    settlement: Settlement
    stands: Callable[[], Awaitable[bool | None]]
    """Waits for the end of the step, and says whether it has come about; None where it did not end in time."""


class Completer(Protocol):
    """Ends a job inside a transaction of its handler."""

    async def complete(self, ctx: JobContext, tx: object, result: Any, /) -> None:
        """Write the end there."""
        ...


@dataclass(frozen=True, slots=True)
class Outlets:
    """What a running job can reach."""

    teller: Teller | None = None
    """Takes what `progress` tells; None where nobody could read it."""
    completer: Completer | None = None
    """None where a handler is too far away to have its job ended."""


_NO_OUTLETS = Outlets()


class JobContext:
    """What a running job may know and do; injected by its type, or taken from `asyncq.current()`."""

    __slots__ = ("_log", "connection", "job", "outlets", "payload", "reservation", "run", "stopping")

    def __init__(
        self,
        job: Job,
        payload: Payload,
        reservation: Reservation,
        *,
        connection: str,
        stopping: anyio.Event,
        run: Run,
        outlets: Outlets = _NO_OUTLETS,
    ) -> None:
        self.job = job
        self.payload = payload
        self.reservation = reservation
        self.connection = connection
        self.stopping = stopping
        """Set when the worker drains, so that a long job can hand itself back."""
        self.run = run
        """The engine's side of this attempt."""
        self.outlets = outlets
        self._log: logging.LoggerAdapter[logging.Logger] | None = None

    def __repr__(self) -> str:
        return f"JobContext({self.payload.name} {self.id}, attempt {self.attempt})"

    @property
    def id(self) -> str:
        """Id of the job; the same for all its attempts."""
        return self.reservation.id

    @property
    def attempt(self) -> int:
        """Number of this attempt, from 1."""
        return self.reservation.attempt

    @property
    def crashes(self) -> int:
        """How often a worker died in this job since its last verdict."""
        return self.reservation.crashes

    @property
    def queue(self) -> str:
        """Name of the queue that the job came from."""
        return self.reservation.queue

    @property
    def deadline(self) -> datetime | None:
        """When this attempt times out, None where it has no timeout."""
        if self.run.deadline is None:
            return None
        return datetime.fromtimestamp(self.run.clock.now() + self.run.deadline - time.monotonic(), UTC)

    @property
    def interruption(self) -> Cause | None:
        """Why this run is being cancelled: `timeout`, `shutdown`, `lease_lost` or `user`; None while it is not."""
        return self.run.cause

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger that adds the job's id, name, queue and attempt to each record."""
        if self._log is None:
            self._log = logging.LoggerAdapter(_log, self.fields())
        return self._log

    def fields(self) -> Mapping[str, Any]:
        """Return what the records of this job bear."""
        return {"id": self.id, "job": self.payload.name, "queue": self.queue, "attempt": self.attempt}

    def release(self, delay: Seconds | datetime = 0) -> NoReturn:
        """End this attempt and put the job back, due after `delay`.

        Raises:
            ConfigError: the delay is none, which is an error of the handler like any other.
        """
        delay_of(delay, "ctx.release: delay")
        raise Release(delay)

    def fail(self, reason: BaseException | str | None = None) -> NoReturn:
        """Fail the job for good, whatever tries are left."""
        raise Fail(reason)

    def skip(self, reason: str | None = None) -> NoReturn:
        """End the job as done without doing its work."""
        raise Skip(reason)

    async def progress(self, done: int, total: int) -> None:
        """Tell those who watch the job how far it is: `done` of `total`, in a unit of your own.

        It may be called as often as you like: at most ten times a second something is written, and the last word
        (`done` at or above `total`) always. A synchronous handler calls `asyncq.blocking.call(ctx.progress, 3, 10)`.

        Raises:
            NotSupported: the handler runs in a process of its own, or its connection keeps no signals.
        """
        teller = self.outlets.teller
        if teller is None:
            raise NotSupported(
                f"{self.payload.name}: progress() has nowhere to go: handlers with run_in='process' cannot tell it, "
                f"and connection {self.connection!r} must have a store for signals"
            )
        await teller.tell(self.run, done, total)

    async def complete(self, *, tx: object, result: Any = None) -> None:
        """Write the end of this job into a transaction of the handler's: both are there, or neither.

        Call it last, right before the commit, and return. `result` is what the job returns then, whatever the handler
        does. Where the transaction is rolled back nothing has happened, and the job ends as it does without this.
        `tx` is what `dispatch(tx=…)` takes, in the database of the job's own connection.

        Raises:
            LeaseLost: the job is not ours any more, or was completed; let the error leave the transaction.
            ConfigError: the job's connection has its tables elsewhere, or nothing is open.
            NotSupported: the handler runs in a process of its own.
        """
        completer = self.outlets.completer
        if completer is None:
            raise NotSupported(
                f"{self.payload.name}: complete() does not reach into run_in='process'; such a handler returns instead"
            )
        await completer.complete(self, tx, result)


async def complete(*, tx: object, result: Any = None) -> None:
    """Do what `JobContext.complete` does, for the job that is running here."""
    await current().complete(tx=tx, result=result)


class Progress:
    """Injected by its type, as a short way to `JobContext.progress`: `await progress(3, 10)`."""

    __slots__ = ("_ctx",)

    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx

    async def __call__(self, done: int, total: int) -> None:
        """Do what `JobContext.progress` does."""
        await self._ctx.progress(done, total)


class _Fields(logging.Filter):
    """Adds the fields of the job that runs here to each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        ctx = current_job.get()
        if ctx is not None:
            vars(record).update({key: value for key, value in ctx.fields().items() if key not in vars(record)})
        return True


_fields = _Fields()


def logger_of(ctx: JobContext) -> logging.Logger:
    """Return the logger of the job's class; its records bear the fields of `ctx.log`."""
    name = f"{_log.name}.{type(ctx.job).__name__}"
    logger = logging.getLogger(name)
    logger.addFilter(_fields)  # once: a logger keeps each filter once
    return logger
