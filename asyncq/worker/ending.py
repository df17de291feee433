"""The conditions under which a worker ends by itself."""

from __future__ import annotations

import logging
import resource
import time
from pathlib import Path
from typing import Final

import anyio

from asyncq.contracts import Driver
from asyncq.errors import DriverError
from asyncq.worker.desk import Desk
from asyncq.worker.options import WorkerOptions
from asyncq.worker.pump import Pump
from asyncq.worker.stop import MEMORY_EXIT, Stop

__all__ = ["Ending", "resident_mb"]

QUICK: Final = 0.05
SLOW: Final = 1.0
_STATM: Final = Path("/proc/self/statm")
_log = logging.getLogger("asyncq.worker")


class Ending:
    """Looks often where a job count or an empty queue may end the worker, else once a second."""

    def __init__(self, driver: Driver, desk: Desk, stop: Stop, pump: Pump, options: WorkerOptions) -> None:
        self._driver = driver
        self._desk = desk
        self._stop = stop
        self._pump = pump
        self._options = options
        self._started_at = time.monotonic()
        self._busy_at = time.monotonic()
        self._empty = options.stop_when_empty or options.stop_when_empty_for > 0
        pump.limit = 1 if options.once else options.max_jobs or float("inf")

    async def run(self) -> None:
        """Ask for the stop when a condition holds; return at once where none can."""
        quick = self._empty or self._pump.limit < float("inf")
        if not quick and not self._options.memory and not self._options.max_time:
            return
        while not self._stop.requested:
            await anyio.sleep(QUICK if quick else SLOW)
            reason = self._limit() or await self._emptiness()
            if reason:
                self._stop.request(reason, MEMORY_EXIT if reason == "memory" else 0)

    def _limit(self) -> str | None:
        options, desk = self._options, self._desk
        if 0 < options.memory <= resident_mb():
            return "memory"
        if 0 < options.max_time <= time.monotonic() - self._started_at:
            return "max_time"
        if desk.taken >= self._pump.limit and desk.empty:
            return "once" if options.once else "max_jobs"
        if options.once and self._pump.dry and desk.empty:
            return "once"
        return None

    async def _emptiness(self) -> str | None:
        if not self._desk.empty or self._desk.unrelayed or not (self._pump.dry or not self._desk.open_queues()):
            self._busy_at = time.monotonic()
            return None
        if not self._empty or not await self._all_empty():
            return None
        if self._options.stop_when_empty:
            return "empty"
        waited = time.monotonic() - self._busy_at
        return "empty_for" if waited >= self._options.stop_when_empty_for else None

    async def _all_empty(self) -> bool:
        """Say whether nothing is ready or running, here or elsewhere; delayed jobs and paused queues do not count."""
        try:
            sizes = await self._driver.sizes([spec.name for spec in self._desk.open_queues()])
        except DriverError as error:
            _log.error("the sizes of the queues cannot be read: %s", error)
            return False
        return not any(size.ready or size.reserved for size in sizes.values())


def resident_mb() -> float:
    """Return the resident size of this process in MB."""
    try:
        return int(_STATM.read_text("ascii").split()[1]) * resource.getpagesize() / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
