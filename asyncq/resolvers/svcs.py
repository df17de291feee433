"""Handlers ask for types that a registry of svcs makes (25 or newer)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import svcs

from asyncq.context import JobContext
from asyncq.injector import Get

__all__ = ["SvcsResolver"]


class SvcsResolver:
    """Makes a container for each run that asks for one of the registry's types, and closes it with the run.

    `JobContext` is registered in that container, so that factories may ask for it. The registry stays yours to close.
    """

    def __init__(self, registry: svcs.Registry) -> None:
        self._registry = registry

    def knows(self, wanted: Any, /) -> bool:
        """Say whether the type is registered."""
        return isinstance(wanted, type) and wanted in self._registry

    def open(self, ctx: JobContext, /) -> AbstractAsyncContextManager[Get]:
        """Open the container of one run."""
        return self._container(ctx)

    @asynccontextmanager
    async def _container(self, ctx: JobContext) -> AsyncGenerator[Get]:
        async with svcs.Container(self._registry) as container:
            container.register_local_value(JobContext, ctx)  # pyright: ignore[reportUnknownMemberType]  # svcs leaves Callable bare

            async def get(wanted: Any) -> Any:
                return await container.aget(wanted)

            yield get
