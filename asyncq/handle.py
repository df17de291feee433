"""`JobHandle`: a dispatched job, as who dispatched it holds it."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast

from asyncq.clock import Seconds, seconds
from asyncq.current import Host, Tracker, host

if TYPE_CHECKING:
    from asyncq.job import Job

__all__ = ["JobHandle", "JobProgress", "JobStatus"]

R_co = TypeVar("R_co", covariant=True)
JobStatus = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class JobProgress:
    """How far a job is."""

    status: JobStatus
    done: int = 0
    total: int = 0
    """0 where the job has told nothing yet."""

    @property
    def fraction(self) -> float:
        """The part that is done, from 0.0 to 1.0."""
        if self.status == "done":
            return 1.0
        return min(1.0, max(0.0, self.done / self.total)) if self.total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class JobHandle(Generic[R_co]):
    """A dispatched job, held by who dispatched it, or by who was given its id (`app.handle(id)`)."""

    id: str
    created: bool
    """False where a unique job (or a job of the same id) was there already: the handle then points to that one."""
    queue: str
    connection: str
    job_type: type[Job] | None = dataclasses.field(default=None, repr=False, compare=False)
    host: Host | None = dataclasses.field(default=None, repr=False, compare=False)
    """The app that is asked; by default the current one."""

    async def status(self) -> JobStatus:
        """Return where the job is in its life.

        A job that waits for another attempt is `queued`. What was dispatched through this handle and is not known any
        more counts as `done`: that is what became of it, unless its queue was cleared.

        Raises:
            ResultNotKept: nothing is known of an id that was not dispatched through this handle.
        """
        return await (await self._tracker()).status(self)

    async def result(self, *, timeout: Seconds | None = None) -> R_co:
        """Wait for what the handler returns, at most `timeout` (None: without limit); needs `keep_result` on its class.

        Raises:
            ResultNotKept: the result is not kept, not any more, or could not be.
            JobFailure: the job failed for good.
            JobCancelled: it was cancelled.
            TimeoutError: it did not end in time.
        """
        limit = None if timeout is None else seconds(timeout, "timeout")
        return cast(R_co, await (await self._tracker()).result(self, limit))

    async def cancel(self) -> bool:
        """Cancel the job: one that waits is forgotten, and the worker of a running one is told to cancel it.

        False where it has ended already. A handler in a thread goes on until it returns, since threads cannot be ended,
        but what it does no longer counts.

        Raises:
            NotSupported: its connection cannot cancel jobs.
        """
        return await (await self._tracker()).cancel(self)

    async def watch(self) -> AsyncGenerator[JobProgress]:
        """Yield how far the job is, at once and after each change, until it has ended.

        Who leaves the loop before that closes it: `async with aclosing(handle.watch()) as progress: …`.
        """
        async for progress in (await self._tracker()).watch(self):
            yield progress

    async def _tracker(self) -> Tracker:
        return await (self.host or host()).tracker()
