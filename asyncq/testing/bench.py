"""Runs jobs one after another in the loop of a test, as a worker would."""

from __future__ import annotations

import asyncio
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import anyio

from asyncq.concurrency import Nursery
from asyncq.context import JobContext
from asyncq.isolation import Isolation
from asyncq.payload import Failed, Reservation
from asyncq.recipe import Places
from asyncq.report import Report
from asyncq.retry import Rules
from asyncq.run import Run
from asyncq.testing.outcome import RunOutcome, outcome_of
from asyncq.testing.turnable_clock import Alarm, Turned
from asyncq.threads import Threads
from asyncq.wiring import Engine
from asyncq.worker.deadlines import Deadlines
from asyncq.worker.desk import Desk
from asyncq.worker.relay import Relay

__all__ = ["Bench"]

SLOTS: Final = 8
"""Threads and processes at once; more than one is taken only where one was given up."""
CANCEL_GRACE: Final = 5.0


class Bench:
    """A worker's executor with its timeouts, for one connection; leaving its block ends its threads."""

    def __init__(self, engine: Engine, connection: str) -> None:
        self._driver = engine.driver(connection)
        self._clock = engine.setup.clock
        self._desk = Desk(1, 0, (), clock=self._clock)
        self._deadlines = Deadlines(self._desk, CANCEL_GRACE, self._abandon)
        self._threads = Threads(SLOTS)
        places = Places(self._threads, Isolation(SLOTS))
        self._executor = engine.executor(connection, Rules(), anyio.Event(), self._arm, threads=SLOTS, places=places)
        self._report = Report(engine.setup.listeners, connection)
        self._relay = Relay(engine, self._driver, self._desk)
        self._alarm: Alarm | None = None
        self._ended = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._deadlines.close()
        self._threads.close()

    async def run(self, reservation: Reservation) -> RunOutcome[Any]:
        """Run one attempt; nothing is told to a broker."""
        return await self._attempt(self._desk.take(reservation))

    async def work(self, reservation: Reservation) -> RunOutcome[Any]:
        """Run one attempt and settle it with all its effects, then tell who listens."""
        run = self._desk.take(reservation)
        outcome = await self._attempt(run)
        assert run.settlement is not None  # `_attempt` saw to it
        await self._driver.settle([run.settlement])
        if run.settlement.effects.outbox:
            await self._relay.relay()
        self._report.log(run)
        await self._report.tell(run)
        return outcome

    async def _attempt(self, run: Run) -> RunOutcome[Any]:
        self._ended.clear()
        async with Nursery() as nursery:
            # A task of its own, as in a worker: what its handler does to the task must not reach the test.
            run.task = task = nursery.start(self._execute, run, name=run.reservation.id)
            self._desk.running.add(run)
            await self._ended.wait()
            if run in self._desk.stuck:
                nursery.forget(task)
                await self._give_up(run)
        if self._alarm is not None and isinstance(self._clock, Turned) and self._clock.by is not None:
            self._clock.by.silence(self._alarm)
        self._desk.drop(run)
        assert run.settlement is not None  # a lease is lost only where others work too
        return outcome_of(run, run.settlement.outcome)

    async def _execute(self, run: Run) -> None:
        settlement = await self._executor.execute(run)
        if run not in self._desk.stuck:
            run.settlement = settlement
            self._desk.running.discard(run)
            self._ended.set()

    def _arm(self, ctx: JobContext) -> None:
        """Start the timeout, both in real time and by the clock of the test."""
        self._deadlines.arm(ctx)
        timeout = ctx.run.rules.timeout
        if timeout > 0 and isinstance(self._clock, Turned) and self._clock.by is not None:
            self._alarm = self._clock.by.alarm(timeout, partial(self._deadlines.cancel, ctx.run, "timeout"))

    def _abandon(self, run: Run) -> None:
        self._desk.running.discard(run)
        self._desk.stuck.add(run)
        self._ended.set()

    async def _give_up(self, run: Run) -> None:
        """Judge a handler that does not react to being cancelled."""
        outcome = self._executor.timed_out(run)
        if isinstance(outcome, Failed):
            await self._executor.tell_failed(run, outcome.error)
        run.settlement = self._executor.conclude(run, outcome)
