"""One reservation to its settlement, as a list of named steps; the outcome is matched once."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

import anyio

from asyncq.clock import delay_of
from asyncq.codec import Codec
from asyncq.context import Early, JobContext, Outlets
from asyncq.current import current_job
from asyncq.errors import AsyncqError, JobTimeout, PayloadError, Release, UnknownJob
from asyncq.events import JobProcessing
from asyncq.job import Job
from asyncq.listeners import Listeners
from asyncq.payload import NO_EFFECTS, Cancelled, Done, Failed, Outcome, Payload, Released, Settlement
from asyncq.plugin import Plugin, effects_of
from asyncq.recipe import Recipe, Recipes
from asyncq.registry import Registry
from asyncq.retry import Rules, admit, backoff_of, describe, judge, root_of, rules_of
from asyncq.run import Run
from asyncq.threads import answer_of

__all__ = ["Executor"]

FAILED_HOOK_SECONDS: Final = 30.0
UNKNOWN_GRACE_SECONDS: Final = 60.0
_UNKNOWN_BACKOFF: Final = (1.0, 2.0, 4.0, 8.0, 15.0)
_log = logging.getLogger("asyncq.job")


class Unreadable(Job, abstract=True):
    """Stands for a job whose payload cannot be opened here."""


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs reservations of one connection. It knows plugins, and none by name."""

    connection: str
    codec: Codec
    registry: Registry
    recipes: Recipes
    rules: Rules
    """The limits of jobs that say nothing themselves."""
    settlers: Sequence[Plugin]
    """Plugins that override the settle door."""
    listeners: Listeners
    stopping: anyio.Event
    arm: Callable[[JobContext], None]
    """Starts the clock of the run's timeout."""
    scope: Callable[[], anyio.CancelScope]
    """Makes a cancel scope; the running backend's own class, since anyio looks for it at each call (1 µs)."""
    outlets: Outlets
    """What a running job can reach."""
    unknown_since: dict[str, tuple[float, int]]
    """When a name that nobody knows was first seen for a job (monotonic), and how often since."""

    async def execute(self, run: Run) -> Settlement | None:
        """Run one attempt to its settlement; None where the lease was lost. Never raises."""
        try:
            self.open(run)
            outcome = admit(run.reservation, run.rules) or await self.attempt(run)
        except PayloadError as error:
            outcome = self._unopened(run, error)
        except BaseException as error:  # our own mistake, or a class that cannot be run: an attempt like any other
            outcome = await self._judge_safely(run, error)
        if run.early is not None:
            outcome = await self._what_stands(run, run.early, outcome)
        if outcome is None:
            return None
        if type(outcome) is Failed:
            await self.tell_failed(run, outcome.error)
        return self.conclude(run, outcome)

    def open(self, run: Run) -> None:
        """Decode the payload and find its class, its recipe and its rules."""
        reservation = run.reservation
        payload = self.codec.open(reservation)
        cls = self.registry.find(payload.name)
        run.rules = rules_of(payload.settings, self.rules)
        run.recipe = self.recipes.of(cls)
        run.ctx = JobContext(
            self.codec.decode(cls, payload),
            payload,
            reservation,
            connection=self.connection,
            stopping=self.stopping,
            run=run,
            outlets=self.outlets,
        )

    async def attempt(self, run: Run) -> Outcome | None:
        """Run the handler inside its middleware and timeout, and judge how it ended."""
        ctx, recipe = run.ctx, run.recipe
        assert ctx is not None and recipe is not None  # `open` came first
        token = current_job.set(ctx)
        if self.listeners.active:
            await self.listeners.emit(JobProcessing(*run.facts(self.connection)))
        if run.called_off:  # before it began: there was no scope yet that would have told the handler
            current_job.reset(token)
            return await self._interrupted(run, None)
        error, value, interrupted = None, None, False
        with self.scope() as run.scope, self.scope() as run.shell:
            run.started_at = time.monotonic()
            if not recipe.arms_itself:
                self.arm(ctx)
            try:
                value = await recipe.call(ctx)
            except BaseException as raised:
                if run.task is None and isinstance(raised, asyncio.CancelledError):
                    raise  # a caller's own task, which its caller cancels
                error = raised
            run.deadline = None
            current_job.reset(token)
            interrupted = run.cause is not None and (error is not None or run.was_cancelled())
        if error is None and not interrupted:
            return Done(value)
        return await self._interrupted(run, error) if interrupted else await self._judge(run, error)

    async def _interrupted(self, run: Run, error: BaseException | None) -> Outcome | None:
        """Judge a run that we cancelled; what the handler made of it counts only where it is a signal of its own."""
        if error is not None and isinstance(root_of(error), Release) and run.cause == "shutdown":
            return await self._judge(run, error)
        match run.cause:
            case "timeout":
                return self.timed_out(run)
            case "user":
                return Cancelled("user")
            case "lease_lost":
                return None
            case _:
                return Released(None, "nothing", reason=run.cause)

    async def _judge_safely(self, run: Run, error: BaseException) -> Outcome | None:
        """Judge, or fail the job where its own rules are damaged."""
        try:
            return await self._judge(run, error)
        except Exception as broken:
            _log.exception("%s %s cannot be judged, so it fails", run.name, run.reservation.id)
            return Failed(broken if isinstance(root_of(error), Release) else error)

    async def _judge(self, run: Run, error: BaseException | None) -> Outcome | None:
        assert error is not None
        if isinstance(error, asyncio.CancelledError) and await _cancelled_from_outside(run):
            return await self._interrupted(run, None)
        return self._verdict(run, error)

    def timed_out(self, run: Run) -> Outcome:
        """Judge a run that its timeout ended; does no I/O, so the keeper's thread may ask too."""
        return self._verdict(run, JobTimeout(f"it ran longer than its timeout of {run.rules.timeout:g} s"))

    def _verdict(self, run: Run, error: BaseException) -> Outcome:
        settings = run.recipe.settings if run.recipe else Job.settings_
        outcome = judge(error, run.reservation, run.rules, settings, run.broker_now())
        return replace(outcome, delay=self._delay(run, outcome)) if type(outcome) is Released else outcome

    def _delay(self, run: Run, outcome: Released) -> float:
        if isinstance(outcome.error, Release):
            delay, due_at = delay_of(outcome.error.delay)
            return delay if due_at is None else max(0.0, due_at - run.broker_now())
        attempt = run.reservation.attempt
        if run.recipe is not None and run.recipe.has_backoff and run.ctx is not None:
            try:
                return delay_of(cast("Any", run.ctx.job).backoff(attempt, outcome.error))[0]
            except BaseException:  # whatever the user's code raises, also SystemExit
                _log.exception("backoff() of %s failed; the job's setting is used", run.name)
        return backoff_of(run.rules.backoff, attempt)

    def _unopened(self, run: Run, error: PayloadError) -> Outcome:
        """Judge a payload that cannot be opened: a newer deploy's name waits a while, anything else is kept failed."""
        if not isinstance(error, UnknownJob):
            return Failed(error)
        now = run.clock.monotonic()
        first, count = self.unknown_since.get(run.reservation.id, (now, 0))
        if now - first >= UNKNOWN_GRACE_SECONDS:
            self.unknown_since.pop(run.reservation.id, None)
            return Failed(error)
        if len(self.unknown_since) < 10_000:
            self.unknown_since[run.reservation.id] = (first, count + 1)
        return Released(backoff_of(_UNKNOWN_BACKOFF, count + 1), "nothing", error=error)

    async def _what_stands(self, run: Run, early: Early, outcome: Outcome | None) -> Outcome | None:
        """Judge a run that was settled before it ended: whatever came later is too late."""
        try:
            stands = await early.stands()
        except AsyncqError as broken:
            _log.error("%s %s: it cannot be seen how it was settled: %s", run.name, run.reservation.id, broken)
            if type(outcome) is Done:
                return outcome  # to settle it tells
            stands = False
        if stands is None:
            _log.error("%s %s: the transaction that ends it stayed open, and decides", run.name, run.reservation.id)
            return None
        if not stands:
            run.early = None
            return outcome
        if type(outcome) is not Done:
            error = getattr(outcome, "error", None)
            _log.error("%s %s is done, and then it did not end well", run.name, run.reservation.id, exc_info=error)
        return early.settlement.outcome

    async def tell_failed(self, run: Run, error: BaseException) -> None:
        """Call the job's `failed` on a fresh instance, for at most 30 s; its own error is logged."""
        if run.ctx is None or run.recipe is None or type(run.ctx.job).failed is Job.failed:
            return
        try:
            with anyio.move_on_after(FAILED_HOOK_SECONDS) as scope:
                await self._fresh(run.recipe, run.ctx, error)
            if scope.cancelled_caught:
                _log.error("failed() of %s %s took longer than %g s", run.name, run.reservation.id, FAILED_HOOK_SECONDS)
        except BaseException as broken:
            if isinstance(broken, asyncio.CancelledError):
                if run.task is None:
                    raise  # a caller's own task, which its caller cancels
                await _cancelled_from_outside(run)  # whoever cancels: the job's fate is decided, and is settled
            _log.exception("failed() of %s %s raised: %s", run.name, run.reservation.id, describe(broken))

    async def _fresh(self, recipe: Recipe, ctx: JobContext, error: BaseException) -> None:
        fresh = copy(ctx)  # the events that come still tell of the instance that ran
        fresh.job = self.codec.decode(recipe.cls, ctx.payload)
        await recipe.tell(fresh, lambda ready: call_hook(ready.job.failed, error))

    def conclude(self, run: Run, outcome: Outcome) -> Settlement:
        """Gather all that must happen because of this outcome; does no I/O."""
        effects = effects_of(self.settlers, run.ctx or self._unreadable(run), outcome) if self.settlers else NO_EFFECTS
        return Settlement(run.reservation, outcome, effects)

    def _unreadable(self, run: Run) -> JobContext:
        item = run.reservation
        payload = Payload(item.id, item.queue, item.name, item.reserved_at, {}, b"{}")
        return JobContext(Unreadable(), payload, item, connection=self.connection, stopping=self.stopping, run=run)


async def call_hook(hook: Callable[..., Awaitable[None] | None], *arguments: Any) -> None:
    """Call a sync or async hook of a job; a sync one runs in a thread, since it may block."""
    if inspect.iscoroutinefunction(hook):
        await hook(*arguments)
    else:
        error, answer = await anyio.to_thread.run_sync(answer_of, partial(hook, *arguments), abandon_on_cancel=True)
        if error is not None:
            raise error
        if inspect.isawaitable(answer):
            await answer


async def _cancelled_from_outside(run: Run) -> bool:
    """Tell a host that cancels all its tasks from a handler that raised CancelledError by itself."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()
    await asyncio.sleep(0)  # where the host cancels all, the worker hears of it in the same turn of the loop
    return run.cause is not None
