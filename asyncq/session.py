"""`Session`: the open engine of one event loop, opened by its first holder and closed by its last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack

from asyncq.contracts import Driver
from asyncq.wiring import Engine, Setup

__all__ = ["Session"]


class Session:
    """Counts its holders. `engine` is None while it is closed."""

    def __init__(self, make_drivers: Callable[[], Mapping[str, Driver]], setup: Setup) -> None:
        self._make_drivers = make_drivers
        self._setup = setup
        self._lock = asyncio.Lock()
        self._holders = 0
        self._stack = AsyncExitStack()
        self._keepers: list[AsyncGenerator[None]] = []
        self.engine: Engine | None = None

    async def acquire(self) -> Engine:
        """Open the drivers, or share them."""
        async with self._lock:
            if self.engine is None:
                self.engine = await self._open()
            self._holders += 1
            return self.engine

    async def release(self) -> None:
        """Close the drivers if nobody else holds them."""
        async with self._lock:
            self._holders -= 1
            if self._holders == 0 and self.engine is not None:
                engine, self.engine = self.engine, None
                await engine.close()
                await self._stack.aclose()

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

    async def _open(self) -> Engine:
        async with AsyncExitStack() as stack:
            drivers = self._make_drivers()
            for driver in drivers.values():
                await stack.enter_async_context(driver)
            self._stack = stack.pop_all()
        return Engine(drivers, self._setup)
