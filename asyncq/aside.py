"""Runs jobs in this process while nobody waits for them: after a response, and for `background://`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import anyio

from asyncq.concurrency import stack_of
from asyncq.errors import AsyncqError
from asyncq.inplace import InPlace
from asyncq.payload import Envelope, Outcome, Released
from asyncq.records import WaitingJob
from asyncq.response import Errand
from asyncq.run import Cause, Run
from asyncq.transactions.scopes import scopes

__all__ = ["Aside", "Line"]

CONCURRENCY: Final = 50
"""Jobs that run at once, as many as those of a worker."""
CANCEL_GRACE: Final = 5.0
"""Seconds that a cancelled handler may take to end before it counts as deaf."""
HUSH_AFTER: Final = 0.05
"""Seconds for which a cancellation is delivered anew; see `Run.hush`."""
_log = logging.getLogger("asyncq.job")


class Aside:
    """The lines of one app in one loop. Their tasks are its own: no request and no push can cancel them.

    No task group holds them, since an app may be entered in one task and left in another; `close` waits for them.
    """

    def __init__(self, in_place: InPlace) -> None:
        self.in_place = in_place
        self.loop = asyncio.get_running_loop()
        self.lines: set[Line] = set()
        self.slots = asyncio.Semaphore(CONCURRENCY)
        self.stopping = anyio.Event()
        """Set as soon as the process, or the app, is about to end."""
        self.closed = False
        self._stopped_at: float | None = None

    def line(self, grace: float, /) -> Line:
        """Make a line that is waited for at most `grace` seconds when the app closes."""
        return Line(self, grace)

    def stop(self) -> None:
        """Tell what runs that the process ends; the graces begin."""
        if self._stopped_at is None:
            self._stopped_at = time.monotonic()
            self.stopping.set()
            for line in list(self.lines):
                line.stop()

    async def drain(self) -> None:
        """Return when nothing runs any more; what does not end within the grace is cancelled, and named in the log."""
        self.stop()
        try:
            await self._ended(max((line.grace for line in self.lines), default=0.0))
        finally:
            with anyio.CancelScope(shield=True):
                await self._cut()
            self.stopping, self._stopped_at = anyio.Event(), None  # the loop may go on without this server

    async def close(self) -> None:
        """Do the same for good: what comes later is refused."""
        try:
            await self.drain()
        finally:
            self.closed = True

    async def _cut(self) -> None:
        for line in list(self.lines):
            line.cut()
        await self._ended(CANCEL_GRACE, since=time.monotonic())
        for line in list(self.lines):
            line.abandon()

    async def _ended(self, seconds: float, since: float | None = None) -> None:
        """Return when all that has started has ended, or when so many seconds are over."""
        start = since if since is not None else self._stopped_at
        assert start is not None  # `stop` came first
        while tasks := [line.task for line in self.lines if line.task is not None]:
            left = start + seconds - time.monotonic()
            if left <= 0:
                return
            await asyncio.wait(tasks, timeout=left)

    def jobs(self) -> Iterator[tuple[Line, WaitingJob]]:
        """Yield what waits or runs."""
        for line in self.lines:
            for job in line.jobs():
                yield line, job


class Line:
    """Jobs that run one after another, in the order in which they were added."""

    def __init__(self, aside: Aside, grace: float) -> None:
        self.grace = grace
        self.task: asyncio.Task[None] | None = None
        """Takes one after another."""
        self._aside = aside
        self._waiting: deque[Errand] = deque()
        self._errand: Errand | None = None
        """The one that was begun and has not ended."""
        self._step: asyncio.Task[None] | None = None
        """Runs it, in the context of its dispatch."""
        self._run: Run | None = None
        """Its attempt, while one is under way."""
        self._again_at: float | None = None
        """When its next attempt begins, by the app's clock, while it waits for that."""

    def add(self, errand: Errand, /) -> None:
        """Put one at the end."""
        self._waiting.append(errand)
        self._aside.lines.add(self)

    def start(self) -> None:
        """Let them run, also those that are added later."""
        if self._aside.closed:
            self.cut()
        elif self.task is None and self._waiting:
            self.task = self._aside.loop.create_task(self._work(), name="asyncq-aside")
        elif self.task is None:  # all were cancelled
            self._aside.lines.discard(self)

    def stop(self) -> None:
        """Give up one whose next attempt would begin after the grace: nobody is kept waiting for it."""
        if self._again_at is not None and self._again_at > self._aside.in_place.clock.monotonic() + self.grace:
            self._cancel("shutdown")

    def drop(self) -> None:
        """Forget what waits: it was dispatched by a request that failed."""
        for errand in self._take_all():
            _log.warning("%s is dropped: the request that dispatched it was not answered", errand)

    def cut(self) -> None:
        """Cancel what runs and forget what waits."""
        for errand in self._take_all():
            _log.error("%s is lost: its app closed before it began, and no broker keeps it", errand)
        self._cancel("shutdown")

    def abandon(self) -> None:
        """No longer wait for a handler that does not react to being cancelled."""
        if self.task is not None and self._step is not None:
            _log.error("%s does not end; it is stuck here:\n%s", self._step.get_name(), stack_of(self._step))
            self.task.cancel()

    def cancel(self, id: str) -> bool:
        """Forget a job that waits, or cancel it where it runs; False where it is not in this line."""
        if self._errand is not None and self._errand.envelope.id == id:
            self._cancel("user")
            return True
        mine = [errand for errand in self._waiting if errand.envelope.id == id]
        for errand in mine:
            self._waiting.remove(errand)
        return bool(mine)

    def jobs(self) -> Iterator[WaitingJob]:
        """Yield what runs, and what waits."""
        if self._errand is not None:
            attempt = 0 if self._run is None else self._run.reservation.attempt
            yield _shown(self._errand.envelope, "delayed" if self._run is None else "reserved", max(0, attempt - 1))
        for errand in self._waiting:
            yield _shown(errand.envelope, "ready", 0)

    def _take_all(self) -> Sequence[Errand]:
        taken, self._waiting = self._waiting, deque()
        if self.task is None:
            self._aside.lines.discard(self)
        return taken

    def _cancel(self, cause: Cause) -> None:
        if self._run is not None:
            self._run.cancel(cause)
            self._aside.loop.call_later(HUSH_AFTER, self._run.hush)
        elif self._step is not None:  # it waits for its next attempt, or for its turn
            if cause != "user" and self._errand is not None:
                _log.error("%s is lost: its app closed before its next attempt, and no broker keeps it", self._errand)
            self._step.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting:
                self._errand = errand = self._waiting.popleft()
                errand.context.run(scopes.set, ())  # what the job dispatches belongs to no transaction of the request
                self._step = self._aside.loop.create_task(self._go(errand), name=str(errand), context=errand.context)
                await asyncio.wait([self._step])
                self._look_at(self._step)
        except asyncio.CancelledError:  # by whoever ends the loop, and with it the step
            self.cut()
            raise
        finally:
            self.task = self._step = None
            self._aside.lines.discard(self)

    def _look_at(self, step: asyncio.Task[None]) -> None:
        self._errand = None
        if not step.cancelled() and (error := step.exception()) is not None:
            _log.critical("%s ended by a mistake of asyncq's own", step.get_name(), exc_info=error)

    async def _go(self, errand: Errand) -> None:
        number = 1
        while isinstance(outcome := await self._attempt(errand, number), Released):
            if _cut_off(outcome) or self._aside.stopping.is_set():
                _log.error("%s is lost: it did not end before its app closed, and no broker keeps it", errand)
                return
            await self._pause(outcome.delay or 0.0)
            number += 1

    async def _pause(self, seconds: float) -> None:
        clock = self._aside.in_place.clock
        self._again_at = clock.monotonic() + seconds
        try:
            await clock.wait(seconds)
        finally:
            self._again_at = None

    async def _attempt(self, errand: Errand, number: int) -> Outcome:
        in_place, connection = self._aside.in_place, errand.connection
        async with self._aside.slots:
            self._run = run = in_place.begin(errand.envelope, number)
            run.task = asyncio.current_task()
            try:
                outcome = await in_place.attempt(connection, run)
                await self._conclude(errand, run, outcome)
                await in_place.tell(connection, run)
            finally:
                self._run = None
            return outcome

    async def _conclude(self, errand: Errand, run: Run, outcome: Outcome) -> None:
        in_place, connection = self._aside.in_place, errand.connection
        try:
            await in_place.conclude(connection, run, outcome, keep=errand.keep)
        except AsyncqError as error:
            _log.error("%s ended, but what is kept of it was not written: %s", errand, error)
        if not _cut_off(outcome):
            in_place.report(connection).log(run)
        if not isinstance(outcome, Released):
            self._errand = None


def _cut_off(outcome: Outcome) -> bool:
    """Say whether the end of the app cancelled it; a release of its own costs an attempt."""
    return isinstance(outcome, Released) and outcome.count == "nothing"


def _shown(item: Envelope, state: Literal["ready", "delayed", "reserved"], attempts: int) -> WaitingJob:
    due_at = item.due_at or 0.0
    return WaitingJob(item.id, item.queue, item.name, state, due_at, attempts, 0, 0, item.body, item.tags, item.group)
