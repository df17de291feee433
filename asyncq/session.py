"""`Session`: the open engine of one event loop, opened by its first holder and closed by its last."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from asyncq.contracts import Driver
from asyncq.wiring import Engine, Setup

__all__ = ["Session"]


class Session:
    """Counts its holders. `engine` is None while it is closed. `around` is entered as soon as there is an engine."""

    def __init__(
        self,
        make_drivers: Callable[[], Mapping[str, Driver]],
        setup: Setup,
        around: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
    ) -> None:
        self._make_drivers = make_drivers
        self._setup = setup
        self._around = around
        self._lock = asyncio.Lock()
        self._holders = 0
        self._stack = AsyncExitStack()
        """Closes the drivers."""
        self._inner = AsyncExitStack()
        """Leaves `around`, while there still is an engine."""
        self._keepers: list[AsyncGenerator[None]] = []
        self.engine: Engine | None = None
        self._pid = os.getpid()

    @property
    def alive(self) -> bool:
        """True while there is an engine, and this is the process that opened it: a fork has a copy without a loop."""
        return self.engine is not None and self._pid == os.getpid()

    async def acquire(self) -> Engine:
        """Open the drivers, or share them."""
        async with self._lock:
            if self.engine is None:
                await self._open()
            assert self.engine is not None
            self._holders += 1
            return self.engine

    async def release(self) -> None:
        """Close the drivers if nobody else holds them."""
        async with self._lock:
            self._holders -= 1
            if self._holders == 0 and self.engine is not None:
                await self._close(self.engine)

    async def keep(self) -> Engine:
        """Hold the session until the loop ends: it then closes its async generators, the one hook without a task."""
        keeper = self._until_the_loop_ends()
        await anext(keeper)
        self._keepers.append(keeper)
        assert self.engine is not None  # the keeper holds it
        return self.engine

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        await self.acquire()
        try:
            yield
        finally:
            await self.release()

    async def _open(self) -> None:
        async with AsyncExitStack() as stack:
            drivers = self._make_drivers()
            for driver in drivers.values():
                await stack.enter_async_context(driver)
            engine = Engine(drivers, self._setup)
            if self._around is not None:
                self.engine = engine  # what is dispatched in there goes through it
                await self._enter_around(self._around)
            self._stack = stack.pop_all()
        self.engine = engine

    async def _enter_around(self, around: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        try:
            await self._inner.enter_async_context(around())
        except BaseException:
            self.engine = None
            raise

    async def _close(self, engine: Engine) -> None:
        try:
            await engine.shared.close()
            await self._inner.aclose()
        finally:
            self.engine = None
            await engine.close()
            await self._stack.aclose()
