"""What a handler's parameters receive: the plan, made once for each class."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NoReturn, get_args, get_origin

from asyncq.context import JobContext, Progress, logger_of
from asyncq.depends import Dependency, Scope, is_injected, marker_of
from asyncq.errors import ConfigError
from asyncq.function import FunctionJob
from asyncq.hints import Wanted, wanted_by
from asyncq.injector import Injector
from asyncq.job import Job

__all__ = ["Given", "Kind", "Plan", "Source", "Step", "plan_of"]

Kind = Literal["value", "coroutine", "generator", "async_generator", "resolved"]


@dataclass(frozen=True, slots=True)
class Given:
    """A value that each run has by itself."""

    of: Callable[[JobContext], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A value that is made for a run; what it needs itself comes from earlier steps."""

    call: Callable[..., Any]
    """Whom to call; the wanted type where the app's resolver makes it."""
    name: str
    kind: Kind
    scope: Scope
    arguments: Mapping[str, Source]


Source = Given | Step


@dataclass(frozen=True, slots=True)
class Plan:
    """What one handler receives."""

    arguments: Mapping[str, Source]
    steps: tuple[Step, ...]
    """Everything to make, each after what it needs."""

    def of_the_loop(self) -> tuple[Step, ...]:
        """Return the steps that can only be made in the event loop, with all that they need."""
        needed: set[Step] = set()
        for step in reversed(self.steps):
            if step in needed or step.scope == "app" or step.kind not in {"value", "generator"}:
                needed.update((step, *(item for item in step.arguments.values() if isinstance(item, Step))))
        return tuple(step for step in self.steps if step in needed)


def plan_of(cls: type[Job], injector: Injector) -> Plan:
    """Plan what the class's handler receives.

    Raises:
        ConfigError: a parameter that nothing can be injected into, an annotation that cannot be resolved, or
            dependencies that need each other or outlive what they need.
    """
    planner = _Planner(cls, injector)
    arguments = {wanted.name: planner.source_of(wanted) for wanted in _wanted_by_handler(cls)}
    return Plan(arguments, tuple(planner.steps))


def _wanted_by_handler(cls: type[Job]) -> Sequence[Wanted]:
    owner = f"{cls.__qualname__}.handle"
    if issubclass(cls, FunctionJob):
        return wanted_by(cls.function_, owner, _place_of(cls), only=is_injected)
    this = next(iter(inspect.signature(cls.handle).parameters), None)
    return wanted_by(cls.handle, owner, _place_of(cls), only=lambda item: item.name != this)


def _place_of(cls: type[Job]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return globals and locals of the place that defined the class, with the class itself, which came after them."""
    return cls.namespace_[0], {cls.__name__: cls, **cls.namespace_[1]}


class _Planner:
    """Collects the steps of one handler, each once."""

    def __init__(self, cls: type[Job], injector: Injector) -> None:
        self._cls = cls
        self._injector = injector
        self._known: dict[tuple[Any, Scope], Step] = {}
        self._path: list[Callable[..., Any]] = []
        self.steps: list[Step] = []

    def source_of(self, wanted: Wanted) -> Source:
        """Return where a parameter's value comes from."""
        bare = _bare(wanted.hint)
        marker = marker_of(wanted.hint, wanted.default)
        if marker is not None:
            return self._dependency(marker, bare, wanted)
        given = self._given(bare, wanted)
        if given is not None:
            return given
        provider, resolver = self._injector.provider, self._injector.resolver
        if provider is not None and provider.knows(bare):
            made = self._injector.overrides.get(bare, provider.open)
            return self._dependency(Dependency(made), bare, wanted)
        if resolver is not None and resolver.knows(bare):
            return self._known.get((bare, "job")) or self._add(bare, "resolved", "job", {})
        return _nothing(wanted, resolver is not None)

    def _given(self, bare: Any, wanted: Wanted) -> Given | None:
        if not isinstance(bare, type):
            return None
        if issubclass(bare, Job):
            if not issubclass(self._cls, bare):
                raise ConfigError(f"{wanted.owner}: {wanted.name!r} asks for a {bare.__qualname__}, but the job is a "
                                  f"{self._cls.__qualname__}; annotate it with Job or with that class")  # fmt: skip
            return Given(lambda ctx: ctx.job)
        return next((given for kind, given in _GIVEN.items() if issubclass(bare, kind)), None)

    def _dependency(self, marker: Dependency, bare: Any, wanted: Wanted) -> Step:
        asked = marker.dependency or bare
        if not callable(asked):
            raise ConfigError(f"{wanted.owner}: {wanted.name!r} says Depends() without a function, and {bare!r} cannot "
                              "be called; write Depends(function)")  # fmt: skip
        call = self._injector.overrides.get(asked, asked)
        known = self._known.get((call, marker.scope)) if marker.use_cache else None
        if known is not None:
            return known
        if call in self._path:
            around = " -> ".join(map(_name, [*self._path[self._path.index(call) :], call]))
            raise ConfigError(f"{self._cls.__qualname__}: its dependencies need each other: {around}; break the circle")
        self._path.append(call)
        arguments = {item.name: self.source_of(item) for item in wanted_by(call, _name(call), self._around(call))}
        self._path.pop()
        if marker.scope == "app":
            _refuse_shorter(call, arguments)
        return self._add(call, _kind_of(call), marker.scope, arguments)

    def _around(self, call: Callable[..., Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Return where annotations are looked up too: a local function's, in the place that defined the job."""
        return _place_of(self._cls) if "<locals>" in _name(call) else ({}, {})

    def _add(self, call: Any, kind: Kind, scope: Scope, arguments: Mapping[str, Source]) -> Step:
        step = Step(call, _name(call), kind, scope, arguments)
        self._known[call, scope] = step
        self.steps.append(step)
        return step


_GIVEN: Mapping[type[Any], Given] = {
    JobContext: Given(lambda ctx: ctx),
    Progress: Given(Progress),
    logging.Logger: Given(logger_of),
    logging.LoggerAdapter: Given(lambda ctx: ctx.log),
}


def _bare(hint: Any) -> Any:
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _name(call: Any) -> str:
    inner = call.func if isinstance(call, functools.partial) else call
    return str(getattr(inner, "__qualname__", None) or type(inner).__qualname__)


def _kind_of(call: Callable[..., Any]) -> Kind:
    inner = call.func if isinstance(call, functools.partial) else call
    if not inspect.isroutine(inner) and not isinstance(inner, type):
        inner = type(inner).__call__  # an object that can be called
    if inspect.isasyncgenfunction(inner):
        return "async_generator"
    if inspect.isgeneratorfunction(inner):
        return "generator"
    wrapped = getattr(inner, "__wrapped__", None)
    if inspect.isasyncgenfunction(wrapped) or inspect.isgeneratorfunction(wrapped):
        raise ConfigError(
            f"{_name(call)} is decorated, so that what it yields cannot be told; where the decorator is "
            "(async)contextmanager, take it away: Depends takes the generator function itself"
        )
    return "coroutine" if inspect.iscoroutinefunction(inner) else "value"


def _refuse_shorter(call: Any, arguments: Mapping[str, Source]) -> None:
    for name, source in arguments.items():
        if not isinstance(source, Step) or source.scope != "app":
            what = source.name if isinstance(source, Step) else "what belongs to one run of a job"
            raise ConfigError(
                f"{_name(call)} lives as long as the app (scope='app') and its {name!r} needs {what}, which does not; "
                "give that scope='app' too, or take scope='app' away here"
            )


def _nothing(wanted: Wanted, resolver: bool) -> NoReturn:
    shown = "no annotation" if wanted.hint is inspect.Parameter.empty else repr(wanted.hint)
    raise ConfigError(
        f"{wanted.owner}: nothing can be injected into {wanted.name!r} ({shown})"
        f"{', which the resolver does not know either' if resolver else ''}; annotate it with JobContext or with "
        "Annotated[…, Depends(…)], give it a default, or make it a field of the job"
    )
