"""`Injector`: what an app says about injection: overrides, bound handlers, a resolver of types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from asyncq.context import JobContext
    from asyncq.job import Job

__all__ = ["Bound", "Get", "Injector", "Override", "Provider", "Resolver"]

Get = Callable[[Any], Awaitable[Any]]
"""Returns the value of a type, within the run of one job."""
Bound = Callable[[Any, "JobContext"], Awaitable[Any]]
"""Stands for the `handle` of a class; it receives the job and its context."""


class Resolver(Protocol):
    """Makes values of types that bear no marker, such as a container of dishka or svcs does."""

    def knows(self, wanted: Any, /) -> bool:
        """Say whether the type can be made; asked when a worker starts, before any job runs."""
        ...

    def open(self, ctx: JobContext, /) -> AbstractAsyncContextManager[Get]:
        """Open the scope of one run; what was made in it is cleaned up when the block ends."""
        ...


class Provider(Protocol):
    """Makes values of types that bear no marker, by a dependency like others: it can be overridden by the type."""

    def knows(self, wanted: Any, /) -> bool:
        """Say whether it makes values of this type."""
        ...

    def open(self, ctx: JobContext) -> AsyncIterator[Any]:
        """Yield the value for one run; an async generator function."""
        ...


class Injector:
    """Changed by its app only; `version` grows with each change, so that what was planned is planned anew."""

    def __init__(self, resolver: Resolver | None = None, provider: Provider | None = None) -> None:
        self.resolver = resolver
        self.provider = provider
        self.version = 0
        self._overrides: dict[Callable[..., Any], Callable[..., Any]] = {}
        self._bound: dict[type[Job], Bound] = {}

    @property
    def overrides(self) -> Mapping[Callable[..., Any], Callable[..., Any]]:
        """Return what stands for what."""
        return self._overrides

    def bound(self, cls: type[Job]) -> Bound | None:
        """Return what stands for the class's `handle`."""
        return self._bound.get(cls)

    def bind(self, cls: type[Job], call: Bound) -> None:
        """Let `call` stand for the class's `handle`."""
        self._bound[cls] = call
        self.version += 1

    def override(self, dependency: Callable[..., Any], by: Callable[..., Any]) -> Override:
        """Let `by` stand for a dependency, until the override is undone."""
        before = self._overrides.get(dependency)
        self.put(dependency, by)
        return Override(self, dependency, before)

    def put(self, dependency: Callable[..., Any], by: Callable[..., Any] | None) -> None:
        """Set or, with None, remove what stands for a dependency."""
        if by is None:
            self._overrides.pop(dependency, None)
        else:
            self._overrides[dependency] = by
        self.version += 1


class Override:
    """Holds from when it is made until `undo`, or until its block ends."""

    def __init__(self, injector: Injector, dependency: Callable[..., Any], before: Callable[..., Any] | None) -> None:
        self._injector = injector
        self._dependency = dependency
        self._before = before

    def undo(self) -> None:
        """Let what stood there before stand there again."""
        self._injector.put(self._dependency, self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.undo()
