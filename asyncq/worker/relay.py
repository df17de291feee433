"""Carries outbox rows to the stores and brokers that they are meant for."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, Final

import anyio

from asyncq.contracts import Driver
from asyncq.errors import AsyncqError
from asyncq.outbox import unpack
from asyncq.payload import NO_EFFECTS, Effects
from asyncq.run import Run
from asyncq.stores import Stores
from asyncq.wiring import Engine
from asyncq.worker.desk import Desk

__all__ = ["Relay", "store"]

SWEEP_SECONDS: Final = 30.0
"""How often the outbox is looked at although this worker wrote nothing: another one may have died after it wrote."""
LEASE_SECONDS: Final = 30.0
TAKEN_AT_ONCE: Final = 100
LAST_SECONDS: Final = 5.0
"""How long a worker that ends waits for its last rows to be relayed."""
_log = logging.getLogger("asyncq.relay")


class Relay:
    """At least once, with ids derived from the effect, so that a repeat is harmless."""

    def __init__(self, engine: Engine, driver: Driver, desk: Desk) -> None:
        self._engine = engine
        self._driver = driver
        self._desk = desk
        self._written = anyio.Event()
        self._quiet = anyio.Event()

    def note(self, settled: Iterable[Run]) -> None:
        """Hear of settlements that the broker has answered, which may have written to the outbox."""
        if any(run.settlement is not None and self._writes(run.settlement.effects) for run in settled):
            self._desk.unrelayed = True
            self._written.set()

    def _writes(self, effects: Effects) -> bool:
        if effects is NO_EFFECTS or self._driver.stores.outbox is None:
            return False
        # Where effects are not one step with their job, any of them may lie in the outbox first.
        return bool(effects.outbox) or effects.strike is not None or not self._driver.traits.atomic_effects

    async def run(self) -> None:
        """Relay until cancelled."""
        if self._driver.stores.outbox is None:
            return
        while True:
            self._written = anyio.Event()
            try:
                while await self.relay():
                    pass
            except AsyncqError as error:
                _log.error("the outbox could not be read; it is tried again: %s", error)
                await anyio.sleep(1.0)
            if not self._written.is_set():
                self._desk.unrelayed = False
                self._quiet.set()
            with anyio.move_on_after(SWEEP_SECONDS):
                await self._written.wait()

    async def finish(self) -> None:
        """Let `run` relay what the last settlements wrote, for a while; then it is left to another worker."""
        with anyio.move_on_after(LAST_SECONDS):
            while self._desk.unrelayed:
                self._quiet = anyio.Event()
                await self._quiet.wait()

    async def relay(self) -> int:
        """Relay what is there, up to 100 rows; returns how many."""
        outbox = self._driver.stores.outbox
        assert outbox is not None  # `run` saw it
        rows = await outbox.take(limit=TAKEN_AT_ONCE, lease=LEASE_SECONDS)
        for (target, kind), run in groupby(rows, lambda row: (row.target, row.kind)):
            some = list(run)
            try:
                await self._carry(target, kind, [unpack(row) for row in some])
                await outbox.done([row.id for row in some])
            except AsyncqError as error:
                # Rows for other stores go on; these come up again after their lease.
                _log.error("%d rows of the outbox could not be relayed; they are tried again: %s", len(some), error)
        return len(rows)

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
