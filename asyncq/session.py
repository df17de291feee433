"""`Session`: the open engine of one event loop, opened by its first holder and closed by its last."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.contracts import Driver
from asyncq.errors import ConfigError, NotOpen
from asyncq.wiring import Engine, Setup

__all__ = ["Session", "loop_here"]


def loop_here() -> asyncio.AbstractEventLoop:
    """Return the running loop.

    Raises:
        NotOpen: none is running.
    """
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise NotOpen("no asyncio loop is running here; from plain code call asyncq.blocking.dispatch(job)") from None


class Session:
    """Counts its holders. `engine` is None while it is closed. `around` is entered as soon as there is an engine."""

    def __init__(
        self,
        make_drivers: Callable[[Clock], Mapping[str, Driver]],
        make_setup: Callable[[], Setup],
        around: Callable[[], AbstractAsyncContextManager[Any]] | None = None,
    ) -> None:
        self._make_drivers = make_drivers
        self._make_setup = make_setup
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
            setup = self._make_setup()
            drivers = self._make_drivers(setup.clock)
            _refuse_servers(drivers, setup.clock)
            for driver in drivers.values():
                await stack.enter_async_context(driver)
            engine = Engine(drivers, setup)
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
            await engine.finish()
            await self._inner.aclose()
        finally:
            self.engine = None
            await engine.close()
            await self._stack.aclose()


def _refuse_servers(drivers: Mapping[str, Driver], clock: Clock) -> None:
    """Refuse drivers that cannot follow the clock of a test."""
    for name, driver in drivers.items():
        if clock is not SYSTEM_CLOCK and not driver.traits.virtual_time:
            raise ConfigError(
                f"connection {name!r}: its time is its server's, which no test can turn; under asyncq.testing.clock() "
                "use memory:// or sqlite://, or asyncq.fake()"
            )
