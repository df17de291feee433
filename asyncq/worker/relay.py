"""Carries outbox rows to the stores and brokers that they are meant for."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, Final

import anyio

from asyncq.contracts import Driver, Transactional
from asyncq.errors import AsyncqError, BrokerUnavailable
from asyncq.outbox import unpack
from asyncq.payload import NO_EFFECTS, Effects
from asyncq.records import OutboxRow
from asyncq.run import Run
from asyncq.stores import Outbox, Stores, Waking
from asyncq.wiring import Engine
from asyncq.worker.desk import Desk

__all__ = ["Relay", "store"]

SWEEP_SECONDS: Final = 30.0
"""How often an outbox is looked at although nobody told of a row: a worker may have died after it wrote one."""
LOOK_SECONDS: Final = 2.0
"""How often one is looked at in which transactions of users write, and which does not wake us."""
LEASE_SECONDS: Final = 30.0
TAKEN_AT_ONCE: Final = 100
LAST_SECONDS: Final = 5.0
"""How long a worker that ends waits for its last rows to be relayed."""
_log = logging.getLogger("asyncq.relay")


class Relay:
    """At least once, with ids derived from the effect, so that a repeat is harmless.

    A worker relays what its own settlements wrote, and what transactions of users wrote in any database of its app.
    """

    def __init__(self, engine: Engine, driver: Driver, desk: Desk) -> None:
        self._driver = driver
        self._desk = desk
        own = driver.stores.outbox
        self._own = None if own is None else _Source(engine, driver, own)
        self._sources = [] if self._own is None else [self._own]
        for other in engine.drivers.values():
            if other is not driver and isinstance(other, Transactional) and other.stores.outbox is not None:
                self._sources.append(_Source(engine, other, other.stores.outbox))
        self._quiet = anyio.Event()

    def note(self, settled: Iterable[Run]) -> None:
        """Hear of settlements that the broker has answered, which may have written to the outbox."""
        if any(run.settlement is not None and self._writes(run.settlement.effects) for run in settled):
            assert self._own is not None  # it was written to
            self._own.written.set()
            self._desk.unrelayed = True

    def _writes(self, effects: Effects) -> bool:
        if effects is NO_EFFECTS or self._own is None:
            return False
        # Where effects are not one step with their job, any of them may lie in the outbox first.
        return bool(effects.outbox) or effects.strike is not None or not self._driver.traits.atomic_effects

    async def run(self) -> None:
        """Relay until cancelled."""
        self._desk.unrelayed = bool(self._sources)  # until each was looked at
        async with anyio.create_task_group() as group:
            for source in self._sources:
                group.start_soon(source.run, self._rests)

    def _rests(self) -> None:
        if not any(source.busy for source in self._sources):
            self._desk.unrelayed = False
            self._quiet.set()

    async def finish(self) -> None:
        """Let `run` relay what the last settlements wrote, for a while; then it is left to another worker."""
        with anyio.move_on_after(LAST_SECONDS):
            while self._desk.unrelayed:
                self._quiet = anyio.Event()
                await self._quiet.wait()

    async def relay(self) -> int:
        """Relay up to 100 rows of the driver's own outbox now; returns how many."""
        return 0 if self._own is None else await self._own.relay()


class _Source:
    """One outbox."""

    def __init__(self, engine: Engine, driver: Driver, outbox: Outbox) -> None:
        self._engine = engine
        self._driver = driver
        self._outbox = outbox
        self._looks = LOOK_SECONDS if isinstance(driver, Transactional) else SWEEP_SECONDS
        self._failures = 0
        self._idle = False
        self.written = anyio.Event()
        """Set when this worker may have written a row."""

    @property
    def busy(self) -> bool:
        """True while rows may be there that were not looked at."""
        return not self._idle or self.written.is_set()

    async def run(self, rests: Callable[[], None]) -> None:
        """Relay until cancelled; `rests` is called whenever nothing is left."""
        while True:
            self._idle, self.written = False, anyio.Event()
            await self._guarded(self._relay_all)
            self._idle = True
            rests()
            await self._guarded(self._wait)

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except AsyncqError as error:
            self._failures += 1
            _log.error("the outbox of %r could not be read; it is tried again: %s", self._driver.name, error)
            await anyio.sleep(min(SWEEP_SECONDS, 2.0 ** (self._failures - 1)))

    async def _relay_all(self) -> None:
        while await self.relay():
            pass
        self._failures = 0

    async def _wait(self) -> None:
        """Return when a row may be there."""
        if not isinstance(self._outbox, Waking):
            with anyio.move_on_after(self._looks):
                await self.written.wait()
            return
        failed: list[AsyncqError] = []
        async with anyio.create_task_group() as group:

            async def first(wait: Callable[[], Awaitable[None]]) -> None:
                try:
                    await wait()
                except AsyncqError as error:
                    failed.append(error)
                group.cancel_scope.cancel()

            waking = self._outbox
            group.start_soon(first, self.written.wait)
            group.start_soon(first, lambda: waking.wait(timeout=SWEEP_SECONDS))
        if failed:
            raise failed[0]

    async def relay(self) -> int:
        """Relay what is there, up to 100 rows; returns how many."""
        rows = await self._outbox.take(limit=TAKEN_AT_ONCE, lease=LEASE_SECONDS)
        for (target, kind), run in groupby(rows, lambda row: (row.target, row.kind)):
            await self._deliver(target, kind, list(run))
        return len(rows)

    async def _deliver(self, target: str, kind: str, rows: Sequence[OutboxRow]) -> None:
        try:
            await self._carry(target, kind, [unpack(row) for row in rows])
            await self._outbox.done([row.id for row in rows])
        except AsyncqError as error:
            if len(rows) > 1 and not isinstance(error, BrokerUnavailable):
                # One that is refused must not hold up the others.
                for row in rows:
                    await self._deliver(target, kind, [row])
                return
            # Rows for other stores go on; these come up again after their lease.
            _log.error("%d rows of the outbox could not be relayed; they are tried again: %s", len(rows), error)

    async def _carry(self, target: str, kind: str, effects: Sequence[Any]) -> None:
        driver = self._engine.driver(target) if target else self._driver
        if kind == "push":
            await driver.push(effects)
        else:
            await store(driver.stores, kind, effects)


async def store(stores: Stores, kind: str, effects: Sequence[Any]) -> None:
    """Bring effects of one kind to the store that they are meant for."""
    match kind:
        case "failed" if stores.failed is not None:
            await stores.failed.add(effects)
        case "strike" if stores.batches is not None:
            await stores.batches.strike(effects)
        case "result" if stores.results is not None:
            for result in effects:
                await stores.results.put(result)
        case "unlock" if stores.locks is not None:
            for key, owner in effects:
                await stores.locks.release(key, owner)
        case _:
            _log.error("the outbox holds %s for a store that is not there; it is dropped", kind)
