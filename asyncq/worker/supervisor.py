"""One task group holds a worker's life: pump, lookout, control, shutdown; the keeper's thread beside it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

import anyio

from asyncq.concurrency import Nursery
from asyncq.contracts import Driver, Keeper, Running
from asyncq.errors import ConfigError, IncompleteApp
from asyncq.events import LoopBlocked, WorkerInterrupted, WorkerPausing, WorkerResuming, WorkerStarting, WorkerStopping
from asyncq.isolation import Isolation
from asyncq.job import Job
from asyncq.payload import Cancelled, Failed, Outcome, Released
from asyncq.recipe import Places
from asyncq.report import Report
from asyncq.run import Run
from asyncq.threads import Threads
from asyncq.wiring import Engine
from asyncq.worker.announcer import Announcer
from asyncq.worker.cancels import Cancels
from asyncq.worker.control import Control
from asyncq.worker.deadlines import Deadlines
from asyncq.worker.desk import Desk
from asyncq.worker.ending import Ending
from asyncq.worker.keeper import KeeperThread
from asyncq.worker.lookout import Lookout
from asyncq.worker.options import QueueSpec, WorkerOptions
from asyncq.worker.pump import Pump
from asyncq.worker.relay import Relay
from asyncq.worker.shutdown import Shutdown
from asyncq.worker.stop import Stop
from asyncq.worker.suspects import Suspects
from asyncq.worker.tables import check_tables
from asyncq.worker.watch import LoopWatch

__all__ = ["SHORTEST_LEASE", "Supervisor"]

SHORTEST_LEASE: Final = 1.0
_log = logging.getLogger("asyncq.worker")
Enforce = Callable[["Supervisor", Keeper, Run | None], None]


class Supervisor:
    """One worker. The order of its blocks is the order of its end: jobs, then pump, then keeper.

    `beside` an application the process may hold jobs of other apps.
    """

    def __init__(self, engine: Engine, options: WorkerOptions, enforce: Enforce, *, beside: bool = False) -> None:
        self.options = options
        self._beside = beside
        self.engine = engine
        self.driver = self._driver()
        self.stop = Stop(options)
        self.desk = Desk(options.concurrency, options.ahead, self._queues(), clock=engine.setup.clock)
        self._threads = Threads(options.concurrency)
        self._deadlines = Deadlines(self.desk, options.cancel_grace, self._abandon)
        self.executor = engine.executor(
            self.driver.name,
            options.rules,
            anyio.Event(),
            self._deadlines.arm,
            threads=options.concurrency,
            places=Places(self._threads, Isolation(options.concurrency)),
        )
        listeners, names = self.executor.listeners, [spec.name for spec in self.desk.queues]
        self._announcer = Announcer(listeners, self.driver.name, names, options.name)
        self.pump = Pump(self.driver, self.desk, self.stop, self._start, self._announcer)
        self._report = Report(listeners, self.driver.name)
        self._relay = Relay(engine, self.driver, self.desk)
        self._cancels = Cancels(self.driver.name, self.desk, self._deadlines, self._settle_soon)
        self.pump.settled = self._note_settled
        self._enforce = enforce
        self._keeper = KeeperThread(
            self.driver.keeper(), self.desk, self.driver.lease, self._lost, lambda: self.pump.reserving
        )
        self._jobs = Nursery()
        engine.setup.registry.check(self._prepare)

    async def run(self) -> None:
        """Work until a stop was asked for and everything is settled or handed back."""
        await check_tables(self.driver)
        await self._announcer.tell(WorkerStarting)
        watch = LoopWatch(self.desk, self.stop, self.options.cancel_grace, self._enforce_here, self._tell_blocked)
        self._keeper.watch(watch)
        with self._keeper:
            async with self._jobs, anyio.create_task_group() as group:
                control = self._start_siblings(group.start_soon)
                await self._pump_to_the_end(control)
                await self._relay.finish()
                await self._announcer.flush()
                group.cancel_scope.cancel()
                self._leave_stuck()
        self._deadlines.close()
        self._threads.close()
        await self._announcer.tell(WorkerStopping, reason=self.stop.reason, jobs=self.desk.done)

    def _prepare(self, cls: type[Job]) -> None:
        """Find now, and not in the middle of a run, what is wrong with a job class or slow at its first use.

        A class inside a function may belong to another app, or to a test that is over: its own runs tell of its faults.
        So may any class, beside an application, that needs what this app was not given.
        """
        try:
            self.executor.recipes.of(cls)
            self.engine.codec.shape(cls)
        except ConfigError as error:
            anothers = self._beside and isinstance(error, IncompleteApp)
            if "<locals>" not in cls.__qualname__ and not anothers:
                raise
            _log.warning("jobs of a class will fail, if they are this app's: %s", error)

    def _start_siblings(self, start: Callable[..., object]) -> Control:
        start(Shutdown(self.stop, self.desk, self._deadlines, self.executor).run)
        listeners, options = self.executor.listeners, self.options
        control = Control(
            self.driver, self.desk, self.stop, self.pump, cancels=self._cancels, listeners=listeners, options=options
        )
        start(control.run)
        start(Ending(self.driver, self.desk, self.stop, self.pump, self.options).run)
        start(Suspects(self.driver, self.desk, self.stop, self.pump, self._start).run)
        start(self._relay.run)
        start(self._announcer.run)
        start(Lookout(self.driver, self.desk, self.pump, self._block_for(), self.options.sleep).run)
        if isinstance(self.driver, Running):
            start(self.driver.run)
        return control

    async def _pump_to_the_end(self, control: Control) -> None:
        """Pump, once it is known what is paused; where the host cancels us, hand everything back before we end."""
        try:
            await control.looked.wait()
            await self.pump.run()
        except asyncio.CancelledError:
            for _ in range(2):
                self.stop.request("cancelled")
            self.desk.call_off()
            with anyio.CancelScope(shield=True):
                await self._last_words()
            raise
        except Exception:
            self.desk.give_up()
            raise

    async def _last_words(self) -> None:
        self.desk.hand_back_waiting()
        deadline = time.monotonic() + self.options.hand_back
        while self.desk.running and time.monotonic() < deadline:  # noqa: ASYNC110  # no event is set in a cancelled task
            await anyio.sleep(0.01)
        self.desk.hand_back_running()
        await self.pump.run()

    def _note_settled(self, runs: list[Run]) -> None:
        self._relay.note(runs)
        self._cancels.note(runs)

    def _start(self, run: Run) -> None:
        if self._cancels.catches(run):
            return
        self.desk.running.add(run)
        self._keeper.wake()
        run.task = self._jobs.start(self._work, run, name=run.reservation.id)

    async def _work(self, run: Run) -> None:
        """One job's task: execute, hand the settlement to the pump, tell who listens; then the slot rests."""
        if self.executor.listeners.active:
            run.confirmed = asyncio.get_running_loop().create_future()
        settlement = await self.executor.execute(run)
        if run.settlement is not None or run in self.desk.stuck:
            self.desk.stuck.discard(run)  # it was given up before it ended, and is settled elsewhere
            self.desk.bell.set()
            return
        run.settlement = settlement
        self.desk.end(run)
        if settlement is not None:
            self._report.log(run)
            if run.confirmed is not None and not await run.confirmed:
                await self._report.tell(run)
        run.close()
        if self.options.rest and not self.stop.requested:
            await self._rest()

    async def _rest(self) -> None:
        self.desk.resting += 1
        with anyio.move_on_after(self.options.rest):
            await self.stop.event.wait()
        self.desk.resting -= 1
        self.desk.bell.set()

    def _abandon(self, run: Run) -> None:
        """Settle a run whose handler is deaf to being cancelled; its slot stays taken."""
        _log.error("%s %s does not react to being cancelled; its slot is lost", run.name, run.reservation.id)
        self.desk.running.discard(run)
        self.desk.stuck.add(run)
        self._settle_soon(run)
        if len(self.desk.stuck) >= self.options.concurrency or self._threads.exhausted:
            self.stop.request("stuck", code=1)

    def _settle_soon(self, run: Run) -> None:
        _ = self._jobs.start(self._settle_by_cause, run, name=run.reservation.id)

    async def _settle_by_cause(self, run: Run) -> None:
        """Settle a run whose handler has no say in it: it was given up, or has not begun."""
        outcome: Outcome
        if run.cause == "timeout":
            outcome = self.executor.timed_out(run)
            if isinstance(outcome, Failed):
                await self.executor.tell_failed(run, outcome.error)
        elif run.cause == "user":
            outcome = Cancelled("user")
        else:
            outcome = Released(None, "nothing", reason=run.cause)
        if run.confirmed is None and self.executor.listeners.active:
            run.confirmed = asyncio.get_running_loop().create_future()
        run.settlement = self.executor.conclude(run, outcome)
        self.desk.end(run)
        self._report.log(run)
        if run.confirmed is not None and not await run.confirmed:
            await self._report.tell(run)

    def _lost(self, runs: list[Run]) -> None:
        """Called in the keeper's thread: leases that are no longer ours."""
        self.stop.call_in_loop(lambda: self._drop(runs))

    def _drop(self, runs: list[Run]) -> None:
        for run in runs:
            if run.settlement is not None or run.early is not None or run not in self.desk.held:
                continue  # it ended while the renewal was under way: its settlement says what is true
            _log.warning("%s %s: its lease was lost; it is cancelled here", run.name, run.reservation.id)
            self.desk.drop(run)
            if run in self.desk.running:
                self._deadlines.cancel(run, "lease_lost")
            elif run in self.desk.waiting:
                self.desk.waiting.remove(run)

    def interrupt(self, reason: str, signal: str) -> None:
        """Ask for the end, and tell the listeners by which signal; may be called from a signal handler."""
        self.stop.request(reason)
        if signal:
            self.stop.call_in_loop(lambda: self._announcer.soon(WorkerInterrupted, signal=signal))

    def _tell_blocked(self, event: LoopBlocked) -> None:
        """Called in the keeper's thread."""
        self.stop.call_in_loop(lambda: self._announcer.soon_as(event))

    @property
    def abandoned_threads(self) -> int:
        """How many threads a handler still holds that was given up."""
        return self._threads.abandoned

    def hold(self, hold: bool) -> None:
        """Pause or resume this worker; may be called from a signal handler."""
        self.stop.call_in_loop(lambda: self._set_hold(hold))

    def _set_hold(self, hold: bool) -> None:
        if hold != self.desk.on_hold:
            _log.info("worker %s is %s by a signal", self.options.name, "paused" if hold else "resumed")
            self._announcer.soon(WorkerPausing if hold else WorkerResuming)
        self.desk.on_hold, self.pump.dry = hold, False
        self.desk.bell.set()

    def _enforce_here(self, keeper: Keeper, culprit: Run | None) -> None:
        self._enforce(self, keeper, culprit)

    def _leave_stuck(self) -> None:
        """Do not wait for handlers that were given up."""
        for run in self.desk.stuck:
            if run.task is not None:
                self._jobs.forget(run.task)

    def _driver(self) -> Driver:
        name = self.options.connection or self.engine.setup.default
        driver = self.engine.driver(name)
        if driver.traits.runs_inline or driver.traits.discards:
            raise ConfigError(f"connection {name!r} keeps no jobs, so there is nothing to work on; choose another one")
        if driver.lease < SHORTEST_LEASE:
            raise ConfigError(f"connection {name!r}: lease={driver.lease:g} is too short; a worker needs 1 s or more")
        return driver

    def _queues(self) -> tuple[QueueSpec, ...]:
        """Return what the options say, else the default queue, then every queue that a known job names."""
        if self.options.queues:
            return self.options.queues
        setup, name = self.engine.setup, self.driver.name
        named = {cls.settings_.queue for cls in setup.registry.load().values() if _reads(cls, name, setup.default)}
        default = setup.queues[name]
        return tuple(QueueSpec(item) for item in (default, *sorted(item for item in named if item and item != default)))

    def _block_for(self) -> float | None:
        return self.engine.setup.block_for[self.driver.name]


def _reads(cls: type[Job], connection: str, default: str) -> bool:
    return (cls.settings_.connection or default) == connection
