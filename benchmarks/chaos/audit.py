"""Looks into the store after a run: nothing may be left in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from asyncq import AsyncQ
from asyncq.contracts import Driver, Inspectable
from benchmarks.chaos.app import build
from benchmarks.chaos.history import Log
from benchmarks.chaos.jobs import Locked, planned
from benchmarks.chaos.leftovers import leftovers
from benchmarks.chaos.options import Options

__all__ = ["audit", "waiting"]

QUEUE = "default"
PROBES = "probes"
"""A queue that no worker reads."""


async def waiting(options: Options) -> int:
    """Count the jobs in the store, in whatever state."""
    async with build(options) as app:
        return await _stored(await _driver(app))


async def audit(options: Options, log: Log, jobs: int) -> None:
    """Write down all that is left; a lock of a dead worker may last for one more lease."""
    until = time.monotonic() + options.lease + 1.0
    left: list[str] = []
    async with build(options) as app:
        while time.monotonic() < until:
            left = [item async for item in _left(app, options, jobs)]
            await asyncio.sleep(0.2 if left else 0.0)
            until = until if left else 0.0
    for item in left:
        log.write("left", detail=item)
    log.write("audited")


async def _left(app: AsyncQ, options: Options, jobs: int) -> AsyncIterator[str]:
    driver = await _driver(app)
    if stored := await _stored(driver):
        yield f"{stored} jobs"
    if isinstance(driver, Inspectable) and (names := await driver.queues()):
        yield f"queues {', '.join(names)}"
    if driver.stores.failed is not None and (total := (await driver.stores.failed.page(limit=1)).total):
        yield f"{total} failed records"
    if driver.stores.locks is not None and (owner := await driver.stores.locks.owner(f"alone:{driver.name}")):
        yield f"the lock of {owner}"
    if held := await _held_keys(app, options, jobs):
        yield f"{held} unique keys"
    for item in leftovers(options.url):
        yield item


async def _driver(app: AsyncQ) -> Driver:
    return (await app.engine()).driver(app.default)


async def _stored(driver: Driver) -> int:
    sizes = await driver.sizes([QUEUE])
    return sum(size.ready + size.delayed + size.reserved for size in sizes.values())


async def _held_keys(app: AsyncQ, options: Options, jobs: int) -> int:
    """Dispatch every unique job again: whose key is held is refused. Takes them back after that."""
    driver = await _driver(app)
    again = [job for job in planned(options, jobs) if isinstance(job, Locked)]
    handles = await app.dispatch_many(again, queue=PROBES)
    if clear := getattr(driver, "clear", None):
        await clear(PROBES)
    return sum(not handle.created for handle in handles)
