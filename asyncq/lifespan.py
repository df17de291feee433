"""Lifespans: the one that a user gives to an app, and the one that an app gives to a web framework."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from inspect import isasyncgenfunction
from typing import TYPE_CHECKING, Any, Protocol, cast

from asyncq.errors import HandlerStuck

if TYPE_CHECKING:
    from asyncq.app import AsyncQ

__all__ = ["AppLifespan", "Lifespan", "as_context_manager", "served"]

_log = logging.getLogger("asyncq.worker")
AppLifespan = Callable[["AsyncQ"], AbstractAsyncContextManager[Any]] | Callable[["AsyncQ"], AsyncIterator[Any]]


class Lifespan(Protocol):
    """What ASGI frameworks take as `lifespan=`."""

    def __call__(self, app: Any, /) -> AbstractAsyncContextManager[None]: ...


def as_context_manager(
    lifespan: AppLifespan | None,
) -> Callable[[AsyncQ], AbstractAsyncContextManager[Any]] | None:
    """Return what makes the context manager around an open app; an async generator function becomes one."""
    if isasyncgenfunction(lifespan):
        return asynccontextmanager(lifespan)
    return cast("Callable[[AsyncQ], AbstractAsyncContextManager[Any]] | None", lifespan)


def served(app: AsyncQ, worker: Callable[[], AbstractAsyncContextManager[None]] | None) -> Lifespan:
    """Return a lifespan that opens the app and, where there is one, enters the worker."""

    @asynccontextmanager
    async def span(api: Any, /) -> AsyncGenerator[None]:
        try:
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(app)
                if worker is not None:
                    await stack.enter_async_context(worker())
                yield
        except HandlerStuck as error:  # the server ends its process now, and the handler with it
            _log.error("%s", error)

    return span
