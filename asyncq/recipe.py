"""How one job class is run: its handler with middleware around it, composed once."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from asyncq.context import JobContext
from asyncq.errors import ConfigError
from asyncq.inject import Plan, Step, plan_of
from asyncq.injector import Bound, Injector
from asyncq.isolation import Isolation
from asyncq.job import Job
from asyncq.pipeline import compose
from asyncq.plugin import Plugin, Preparation
from asyncq.settings import JobSettings, Middleware, Next
from asyncq.supply import Opened, OpenedHere, Shared, Values, arguments_of
from asyncq.threads import Threads

__all__ = ["Places", "Recipe", "Recipes", "Supply"]

Arm = Callable[[JobContext], None]
"""Starts the clock of a run's timeout."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One job class, ready to run."""

    cls: type[Job]
    settings: JobSettings
    call: Callable[[JobContext], Awaitable[Any]]
    arms_itself: bool
    """True where the timeout starts later than the run: when a thread or a process takes up the job."""
    has_backoff: bool
    """True where `backoff` is a method of the job."""
    preparations: Sequence[Preparation] = ()

    def tell(self, ctx: JobContext, hook: Next) -> Awaitable[Any]:
        """Call the hook with a fresh instance of the job that was made ready."""
        return compose([item.tell for item in self.preparations], hook)(ctx)


@dataclass(frozen=True, slots=True)
class Places:
    """Where handlers run that must not run in the loop."""

    threads: Threads
    processes: Isolation


@dataclass(frozen=True, slots=True)
class Supply:
    """What handlers are given their parameters from."""

    injector: Injector
    shared: Shared


class Recipes:
    """The recipes of all classes, made at the first use; middleware of the app is outermost."""

    def __init__(
        self, plugins: Sequence[Plugin], middleware: Sequence[Middleware], places: Places, supply: Supply, arm: Arm
    ) -> None:
        self._inner = [plugin.handle for plugin in plugins if type(plugin).handle is not Plugin.handle]
        self._preparing = [plugin for plugin in plugins if type(plugin).prepare is not Plugin.prepare]
        self._outer = tuple(middleware)
        self._places = places
        self._supply = supply
        self._arm = arm
        self._version = 0
        self._made: dict[type[Job], Recipe] = {}

    def of(self, cls: type[Job]) -> Recipe:
        """Return the recipe of a class.

        Raises:
            ConfigError: its handler cannot be run as its settings say, or its parameters cannot be injected.
        """
        if self._version != self._supply.injector.version:
            self._version = self._supply.injector.version
            self._made.clear()
        found = self._made.get(cls)
        if found is None:
            found = self._made[cls] = self._make(cls)
        return found

    def _make(self, cls: type[Job]) -> Recipe:
        settings = cls.settings_
        bound = self._supply.injector.bound(cls)
        place = place_of(cls) if bound is None else "loop"
        core: Next = compose(self._inner, self._handler(cls, place) if bound is None else _by(bound))
        if cls.middleware is not Job.middleware:
            core = _with_own_middleware(core)
        call = compose([*self._outer, *settings.middleware], core)
        preparations = [made for plugin in self._preparing if (made := plugin.prepare(cls)) is not None]
        return Recipe(
            cls,
            settings,
            compose([item.run for item in preparations], call),
            arms_itself=place != "loop" and not preparations,  # what is loaded before the thread takes time too
            has_backoff=inspect.isfunction(getattr(cls, "backoff", None)),
            preparations=preparations,
        )

    def _handler(self, cls: type[Job], place: str) -> Next:
        plan = plan_of(cls, self._supply.injector)
        if place == "process":
            _refuse_far(cls, plan, self._supply.injector)
            return lambda ctx: self._places.processes.run(ctx, lambda: self._arm(ctx))
        if place == "thread":
            return self._in_thread(plan)
        if plan.steps:
            return self._in_loop(plan)
        if not plan.arguments:
            return _plain
        return lambda ctx: ctx.job.handle(**arguments_of(plan.arguments, ctx, {}))

    def _opened(self, steps: Sequence[Step], ctx: JobContext) -> Opened:
        return Opened(steps, ctx, self._supply.shared, self._supply.injector)

    def _in_loop(self, plan: Plan) -> Next:
        async def call(ctx: JobContext) -> Any:
            async with self._opened(plan.steps, ctx) as opened:
                return await ctx.job.handle(**arguments_of(plan.arguments, ctx, opened.values))

        return call

    def _in_thread(self, plan: Plan) -> Next:
        """Make what is async in the loop, and the rest, which may belong to its thread, where the handler runs."""
        before = plan.of_the_loop()
        here = [step for step in plan.steps if step not in before]

        async def call(ctx: JobContext) -> Any:
            self._arm(ctx)  # what comes before the thread takes time too; the thread starts the timeout anew
            async with self._opened(before, ctx) as opened:
                return await run(ctx, opened.values)

        def run(ctx: JobContext, values: Values) -> Awaitable[Any]:
            def handle() -> Any:
                with OpenedHere(here, ctx, values) as made:
                    return ctx.job.handle(**arguments_of(plan.arguments, ctx, made))

            return self._places.threads.run(handle, lambda: self._arm(ctx))

        return call if before else lambda ctx: run(ctx, {})


def place_of(cls: type[Job]) -> str:
    """Return where the class's handler runs: `loop`, `thread` or `process`.

    Raises:
        ConfigError: the setting does not fit the kind of the handler, or there is no handler.
    """
    if cls.handle is Job.handle:
        raise ConfigError(f"{cls.__qualname__} has no handle(); write `async def handle(self)` or `def handle(self)`")
    is_async, run_in = inspect.iscoroutinefunction(cls.handle), cls.settings_.run_in
    if is_async and run_in in {"thread", "process"}:
        raise ConfigError(f"{cls.__qualname__}: run_in={run_in!r} takes `def handle`, not `async def handle`")
    if not is_async and run_in == "loop":
        raise ConfigError(f"{cls.__qualname__}: run_in='loop' takes `async def handle`; a `def` would block the loop")
    return run_in or ("loop" if is_async else "thread")


def _plain(ctx: JobContext) -> Awaitable[Any]:
    return ctx.job.handle()  # type: ignore[no-any-return]  # pyright: ignore[reportReturnType]  # `place_of` saw that it is async


def _by(bound: Bound) -> Next:
    return lambda ctx: bound(ctx.job, ctx)


def _refuse_far(cls: type[Job], plan: Plan, injector: Injector) -> None:
    for step in plan.steps:
        own = injector.provider is not None and step.call == injector.provider.open
        if own or step.kind == "resolved":
            what = "the app opens the session of the job" if own else f"the app's resolver makes {step.name}"
            raise ConfigError(
                f"{cls.__qualname__}: {what}, but the handler runs in another process, "
                "where it is not known; mark the parameter with Depends, or take run_in='process' away"
            )


def _with_own_middleware(core: Next) -> Next:
    async def call(ctx: JobContext) -> Any:
        return await compose(tuple(ctx.job.middleware()), core)(ctx)

    return call
