"""Makes what handlers receive, step by step, and cleans it up when the run has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from types import TracebackType
from typing import Any, Final, Self, cast

import anyio

from asyncq.context import JobContext
from asyncq.inject import Source, Step
from asyncq.injector import Get, Injector

__all__ = ["CLEAN_UP_SECONDS", "Opened", "OpenedHere", "Shared", "Values", "arguments_of"]

CLEAN_UP_SECONDS: Final = 10.0
"""How long the clean-up of a run's dependencies may take; a cancelled run has it too."""
Values = dict[Step, Any]


def arguments_of(wanted: Mapping[str, Source], ctx: JobContext, values: Values) -> dict[str, Any]:
    """Return the arguments of a call whose steps have all been made."""
    return {name: values[item] if isinstance(item, Step) else item.of(ctx) for name, item in wanted.items()}


class Shared:
    """What dependencies with `scope="app"` made: one value each, for as long as the app is open in this loop."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._values: dict[Callable[..., Any], Any] = {}
        self._one_by_one = asyncio.Lock()

    async def value(self, step: Step, arguments: Mapping[str, Any]) -> Any:
        """Return the step's value; who comes first makes it, and the others wait."""
        if step.call not in self._values:
            async with self._one_by_one:
                if step.call not in self._values:
                    self._values[step.call] = await _enter(self._stack, step, arguments)
        return self._values[step.call]

    async def close(self) -> None:
        """Clean up, the last one first."""
        self._values.clear()
        await self._stack.aclose()


class Opened:
    """The values of some steps while a block lasts.

    An error of the block goes through the clean-ups as through `with` blocks, but none of them can make it vanish: a
    dependency that swallows what it sees must not turn a failed job into one that was done.
    """

    def __init__(self, steps: Iterable[Step], ctx: JobContext, shared: Shared, injector: Injector) -> None:
        self._steps = steps
        self._ctx = ctx
        self._shared = shared
        self._injector = injector
        self._stack = AsyncExitStack()
        self._get: Get | None = None
        self.values: Values = {}

    async def __aenter__(self) -> Self:
        try:
            for step in self._steps:
                self.values[step] = await self._make(step)
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        with anyio.fail_after(CLEAN_UP_SECONDS, shield=True):
            await self._stack.__aexit__(kind, error, trace)

    async def _make(self, step: Step) -> Any:
        if step.kind == "resolved":
            return await (await self._resolver())(step.call)
        arguments = arguments_of(step.arguments, self._ctx, self.values)
        if step.scope == "app":
            return await self._shared.value(step, arguments)
        return await _enter(self._stack, step, arguments)

    async def _resolver(self) -> Get:
        if self._get is None:
            assert self._injector.resolver is not None  # the plan has steps of its making
            self._get = await self._stack.enter_async_context(self._injector.resolver.open(self._ctx))
        return self._get


async def _enter(stack: AsyncExitStack, step: Step, arguments: Mapping[str, Any]) -> Any:
    if step.kind == "async_generator":
        return await stack.enter_async_context(_async_context(step)(**arguments))
    if step.kind == "generator":
        return stack.enter_context(_context(step)(**arguments))
    made = step.call(**arguments)
    return await made if step.kind == "coroutine" else made


def _async_context(step: Step) -> Callable[..., AbstractAsyncContextManager[Any]]:
    return asynccontextmanager(step.call)


def _context(step: Step) -> Callable[..., AbstractContextManager[Any]]:
    return cast("Callable[..., AbstractContextManager[Any]]", contextmanager(step.call))


class OpenedHere:
    """The same for sync steps, made and cleaned up in the thread that runs the handler."""

    def __init__(self, steps: Iterable[Step], ctx: JobContext, values: Values) -> None:
        self._steps = steps
        self._ctx = ctx
        self._values = dict(values)
        self._stack = ExitStack()

    def __enter__(self) -> Values:
        try:
            for step in self._steps:
                self._values[step] = self._make(step)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self._values

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def _make(self, step: Step) -> Any:
        arguments = arguments_of(step.arguments, self._ctx, self._values)
        if step.kind == "generator":
            return self._stack.enter_context(_context(step)(**arguments))
        return step.call(**arguments)
