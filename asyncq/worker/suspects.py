"""Runs jobs that crashed twice alone in their worker, so that they take no innocent job with them.

A worker that does so takes nothing else meanwhile, so only some may at a time: who holds one of the seats, which are
locks. There are half as many as workers with a heartbeat, and at least one. With a single seat for a whole fleet the
many that a few crashes of full workers leave behind would wait for each other far longer than their leases last.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from typing import Final

import anyio

from asyncq.contracts import Driver
from asyncq.errors import DriverError
from asyncq.run import Run
from asyncq.worker.control import beat_name
from asyncq.worker.desk import Desk
from asyncq.worker.pump import Pump
from asyncq.worker.stop import Stop

__all__ = ["Suspects"]

LOOK: Final = 0.2
MOST: Final = 4
"""Most seats, however many workers there are: who looks for a free one tries each."""
_log = logging.getLogger("asyncq.worker")


class Suspects:
    """Takes a seat, empties the slots, and then runs one suspect after the other."""

    def __init__(self, driver: Driver, desk: Desk, stop: Stop, pump: Pump, start: Callable[[Run], None]) -> None:
        self._driver = driver
        self._desk = desk
        self._stop = stop
        self._pump = pump
        self._start = start
        self._seat = self._first = f"alone:{driver.name}"
        self._owner = uuid.uuid4().hex
        self._life = driver.lease
        """Life of the lock, seconds: a holder that dies keeps others waiting no longer than its job's lease does."""
        self._renewed_at = 0.0

    async def run(self) -> None:
        """Look for suspects until cancelled."""
        while True:
            await self._pump.suspects.wait()
            self._pump.suspects.clear()
            if self._stop.requested:
                return
            try:
                if await self._sit_down():
                    await self._clear_away()
                else:
                    await anyio.sleep(LOOK)  # another worker runs them; the pump will see whether one is left
            except DriverError as error:
                _log.error("a job that crashed twice could not be run alone; it is tried again: %s", error)
            finally:
                # Also a broker that wakes nobody for suspects is asked again: a seat may be free by now.
                self._pump.allowed, self._pump.dry = True, False
                self._desk.bell.set()

    async def _clear_away(self) -> None:
        self._pump.allowed = False
        try:
            await self._settled()
            while not self._stop.requested and await self._run_one():
                await self._settled()
        finally:
            await self._unlock()

    async def _run_one(self) -> bool:
        names = [spec.name for spec in self._desk.queues if spec.name not in self._desk.paused]
        reserved = await self._driver.reserve(names, limit=1, alone=True)
        for item in reserved.items:
            _log.warning("%s %s crashed its worker %d times and runs alone now", item.name, item.id, item.crashes)
            run = self._desk.take(item)
            await self._pump.announcer.reserved([run])
            self._start(run)
        return bool(reserved.items)

    async def _settled(self) -> None:
        """Wait until nothing is held nor on its way to us, keeping the lock."""
        while (self._pump.reserving or not self._desk.empty) and not self._stop.requested:
            await anyio.sleep(0.02)
            if time.monotonic() - self._renewed_at > self._life / 4:
                await self._lock()

    async def _sit_down(self) -> bool:
        """Take a free seat; the workers are counted only where the first one is taken."""
        self._seat = self._first
        if await self._lock():
            return True
        for number in range(1, min(MOST, await self._workers() // 2)):
            self._seat = f"{self._first}:{number}"
            if await self._lock():
                return True
        return False

    async def _workers(self) -> int:
        signals = self._driver.stores.signals
        return 0 if signals is None else len(await signals.page(beat_name("")))

    async def _lock(self) -> bool:
        locks = self._driver.stores.locks
        self._renewed_at = time.monotonic()
        return locks is None or await locks.acquire(self._seat, self._owner, ttl=self._life)

    async def _unlock(self) -> None:
        if self._driver.stores.locks is not None:
            await self._driver.stores.locks.release(self._seat, self._owner)
