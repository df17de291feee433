"""Runs jobs in this process without a broker: through codec and middleware, without timeout and without retries."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, cast

from asyncq.clock import Clock
from asyncq.contracts import Driver
from asyncq.errors import JobCancelled
from asyncq.executor import Executor
from asyncq.listeners import Listeners
from asyncq.outbox import unpack
from asyncq.payload import Done, Effects, Envelope, Failed, Outcome, Released, Settlement, reservation_of
from asyncq.records import FailedJob
from asyncq.report import Report
from asyncq.retry import Rules
from asyncq.run import Run

__all__ = ["InPlace"]

_log = logging.getLogger("asyncq.job")
ONCE: Final = Rules(tries=1, timeout=0.0)


class InPlace:
    """Knows how an attempt goes here, and what follows from it; a release runs the job again after its delay."""

    def __init__(
        self,
        executor_of: Callable[[str], Executor],
        driver_of: Callable[[str], Driver],
        listeners: Listeners,
        clock: Clock,
    ) -> None:
        self._executor_of = executor_of
        self._driver_of = driver_of
        self._listeners = listeners
        self.clock = clock

    async def run(self, connection: str, envelope: Envelope, *, keep: bool = False) -> Any:
        """Run a job to its end in the task of the caller; returns its result or raises its error.

        `keep` keeps a result where the job's class says so, as a connection does.

        Raises:
            JobCancelled: it put itself back although its app is closing.
        """
        number = 1
        while True:
            run = self.begin(envelope, number)
            outcome = await self.attempt(connection, run)
            await self.conclude(connection, run, outcome, keep=keep and not isinstance(outcome, Failed))
            await self.tell(connection, run)
            if isinstance(outcome, Failed):
                raise outcome.error
            if not isinstance(outcome, Released):
                return outcome.result if isinstance(outcome, Done) else None
            if self._executor_of(connection).stopping.is_set():
                raise JobCancelled(f"{run.name} {envelope.id} put itself back while its app closes", reason="shutdown")
            await self.clock.wait(outcome.delay or 0.0)
            number += 1

    def begin(self, envelope: Envelope, number: int) -> Run:
        """Return an attempt that has not begun."""
        return Run(reservation_of(envelope, number, self.clock.now()), self.clock)

    async def attempt(self, connection: str, run: Run) -> Outcome:
        """Run it; whatever goes wrong is an outcome. Only a task without `run.task` raises that it is cancelled."""
        executor = self._executor_of(connection)
        outcome = await self._outcome(executor, run)
        if isinstance(outcome, Failed):
            await executor.tell_failed(run, outcome.error)
        return outcome

    async def _outcome(self, executor: Executor, run: Run) -> Outcome:
        try:
            executor.open(run)
            run.rules = ONCE
            return cast(Outcome, await executor.attempt(run))  # there is no lease that could be lost
        except Exception as error:  # the class cannot be run, or its payload cannot be read
            return Failed(error)

    async def conclude(self, connection: str, run: Run, outcome: Outcome, *, keep: bool) -> None:
        """Note how the attempt ended, and keep what is to be kept."""
        run.settlement = Settlement(run.reservation, outcome)
        if keep:
            run.settlement = self._executor_of(connection).conclude(run, outcome)
            await self._keep(connection, run.settlement.effects)

    async def tell(self, connection: str, run: Run) -> None:
        """Tell the listeners of it."""
        if self._listeners.active:
            await self.report(connection).tell(run)

    def report(self, connection: str) -> Report:
        """Return what says how the jobs of a connection ended."""
        return Report(self._listeners, connection, _log)

    async def _keep(self, connection: str, effects: Effects) -> None:
        results = self._driver_of(connection).stores.results
        if effects.result is not None and results is not None:
            await results.put(effects.result)
        for row in effects.outbox:
            store = self._driver_of(row.target).stores.failed
            if row.kind == "failed" and store is not None:
                await store.add([cast(FailedJob, unpack(row))])
