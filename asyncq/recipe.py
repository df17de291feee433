"""How one job class is run: its handler with middleware around it, composed once."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asyncq.context import JobContext
from asyncq.errors import ConfigError
from asyncq.inject import Provide, provider_of
from asyncq.isolation import Isolation
from asyncq.job import Job
from asyncq.pipeline import compose
from asyncq.plugin import Plugin
from asyncq.settings import JobSettings, Middleware, Next
from asyncq.threads import Threads

__all__ = ["Places", "Recipe", "Recipes"]

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


_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Places:
    """Where handlers run that must not run in the loop."""

    threads: Threads
    processes: Isolation


class Recipes:
    """The recipes of all classes, made at the first use; middleware of the app is outermost."""

    def __init__(self, plugins: Sequence[Plugin], middleware: Sequence[Middleware], places: Places, arm: Arm) -> None:
        self._inner = [plugin.handle for plugin in plugins if type(plugin).handle is not Plugin.handle]
        self._outer = tuple(middleware)
        self._places = places
        self._arm = arm
        self._made: dict[type[Job], Recipe] = {}

    def of(self, cls: type[Job]) -> Recipe:
        """Return the recipe of a class.

        Raises:
            ConfigError: its handler cannot be run as its settings say, or its parameters cannot be injected.
        """
        found = self._made.get(cls)
        if found is None:
            found = self._made[cls] = self._make(cls)
        return found

    def _make(self, cls: type[Job]) -> Recipe:
        settings = cls.settings_
        place = place_of(cls)
        core: Next = compose(self._inner, self._handler(cls, place, provider_of(cls)))
        if cls.middleware is not Job.middleware:
            core = _with_own_middleware(core)
        call = compose([*self._outer, *settings.middleware], core)
        return Recipe(cls, settings, call, place != "loop", inspect.isfunction(getattr(cls, "backoff", None)))

    def _handler(self, cls: type[Job], place: str, provide: Provide | None) -> Next:
        if place == "process":
            return lambda ctx: self._places.processes.run(ctx, lambda: self._arm(ctx))
        if place == "thread":
            return self._in_thread(provide)
        if provide is None:
            return _plain
        return lambda ctx: ctx.job.handle(**provide(ctx))

    def _in_thread(self, provide: Provide | None) -> Next:
        threads, arm = self._places.threads, self._arm

        def call(ctx: JobContext) -> Awaitable[Any]:
            arguments = provide(ctx) if provide is not None else _NOTHING
            return threads.run(lambda: ctx.job.handle(**arguments), lambda: arm(ctx))

        return call


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


def _with_own_middleware(core: Next) -> Next:
    async def call(ctx: JobContext) -> Any:
        return await compose(tuple(ctx.job.middleware()), core)(ctx)

    return call
