"""Waits at the broker for the next job while the pump has nothing to do, and rings the desk's bell."""

from __future__ import annotations

import logging
import random

import anyio

from asyncq.contracts import Driver
from asyncq.errors import DriverError
from asyncq.worker.desk import Desk
from asyncq.worker.pump import Pump

__all__ = ["Lookout"]

_log = logging.getLogger("asyncq.worker")


class Lookout:
    """A sibling of the pump, so that a job that ends need not cancel the wait at the broker."""

    def __init__(self, driver: Driver, desk: Desk, pump: Pump, block_for: float | None, sleep: float) -> None:
        self._driver = driver
        self._desk = desk
        self._pump = pump
        self._block_for = block_for
        self._sleep = sleep
        self._failures = 0

    async def run(self) -> None:
        """Wait until cancelled."""
        while True:
            # Full, paused or busy: the pump looks by itself as soon as a slot is free.
            await self._pump.idle.wait()
            self._pump.idle.clear()
            await self._wait([spec.name for spec in self._desk.open_queues()])

    async def _wait(self, names: list[str]) -> None:
        try:
            if self._pump.vetoed:
                self._pump.vetoed = False
                await anyio.sleep(max(self._sleep, 0.01))
            else:
                await self._wait_until_recalled(names)
        except DriverError as error:
            self._failures += 1
            _log.error("waiting for jobs failed (try %d): %s", self._failures, error)
            await anyio.sleep(random.uniform(0.05, min(5.0, 0.1 * 2 ** min(self._failures, 6))))
        else:
            self._failures = 0
        if self._pump.suspects.is_set():
            await anyio.sleep(0.25)  # a suspect is due, and it is another worker's turn to run it
        self._pump.dry = False
        # It may have called again while we waited: whether it still has nothing to do, its next look will tell.
        self._pump.idle.clear()
        self._desk.bell.set()

    async def _wait_until_recalled(self, names: list[str]) -> None:
        """Wait for a job; the pump ends the wait where another queue opened meanwhile."""
        with anyio.CancelScope() as scope:
            self._pump.waited_for, self._pump.recall = frozenset(names), scope.cancel
            try:
                await self._wait_for_one(names)
            finally:
                self._pump.recall = None

    async def _wait_for_one(self, names: list[str]) -> None:
        """Wait as `block_for` says: None looks every `sleep` seconds, 0 waits without limit."""
        if self._block_for is None:
            await anyio.sleep(max(self._sleep, 0.01))
        else:
            await self._driver.wait(names, timeout=self._block_for or 3600.0)
