"""Handlers ask for types that a container of dishka makes (1.10 or newer)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from dishka import DEFAULT_COMPONENT, AsyncContainer, DependencyKey
from dishka.registry import Registry

from asyncq.context import JobContext
from asyncq.injector import Get

__all__ = ["DishkaResolver"]


class DishkaResolver:
    """Enters the container's next scope (REQUEST) for each run that asks for one of its types.

    `JobContext` is in that scope's context: declare it there with `from_context(provides=JobContext, scope=…)`. The
    container itself stays yours to close, such as in the `lifespan` of the app.
    """

    def __init__(self, container: AsyncContainer) -> None:
        self._container = container

    def knows(self, wanted: Any, /) -> bool:
        """Say whether a provider makes the type in the container's scopes down to the next one that is not skipped."""
        key = DependencyKey(wanted, DEFAULT_COMPONENT)
        return any(registry.get_factory(key) is not None for registry in self._registries())

    def _registries(self) -> Iterator[Registry]:
        registry: Registry | None = self._container.registry
        while registry is not None:
            yield registry
            registry = registry.child_registry
            if registry is not None and not registry.scope.skip:
                yield registry
                return

    def open(self, ctx: JobContext, /) -> AbstractAsyncContextManager[Get]:
        """Open the scope of one run."""
        return self._scope(ctx)

    @asynccontextmanager
    async def _scope(self, ctx: JobContext) -> AsyncGenerator[Get]:
        async with self._container(context={JobContext: ctx}) as scope:
            yield scope.get
