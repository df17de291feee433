"""Carries outbox rows to the stores and brokers that they are meant for."""

from __future__ import annotations

import logging
from typing import Final

import anyio

from asyncq.contracts import Driver
from asyncq.errors import AsyncqError
from asyncq.outbox import unpack
from asyncq.payload import Envelope, Settlement
from asyncq.records import BatchStrike, FailedJob, OutboxRow, StoredResult
from asyncq.stores import Stores
from asyncq.wiring import Engine

__all__ = ["Relay"]

SWEEP_SECONDS: Final = 30.0
"""How often the outbox is looked at although this worker wrote nothing: another one may have died after it wrote."""
LEASE_SECONDS: Final = 30.0
_log = logging.getLogger("asyncq.relay")


class Relay:
    """At least once, with ids derived from the effect, so that a repeat is harmless."""

    def __init__(self, engine: Engine, driver: Driver) -> None:
        self._engine = engine
        self._driver = driver
        self._written = anyio.Event()

    def note(self, settlement: Settlement) -> None:
        """Hear that a settlement may have written to the outbox."""
        if settlement.effects.outbox or settlement.effects.strike:
            self._written.set()

    async def run(self) -> None:
        """Relay until cancelled."""
        if self._driver.stores.outbox is None:
            return
        while True:
            try:
                while await self.relay():
                    pass
            except AsyncqError as error:
                _log.error("the outbox could not be relayed; it is tried again: %s", error)
                await anyio.sleep(1.0)
            with anyio.move_on_after(SWEEP_SECONDS):
                await self._written.wait()
            self._written = anyio.Event()

    async def relay(self) -> int:
        """Relay what is there, up to 100 rows; returns how many."""
        outbox = self._driver.stores.outbox
        assert outbox is not None  # `run` saw it
        rows = await outbox.take(limit=100, lease=LEASE_SECONDS)
        for row in rows:
            await self._carry(row)
            await outbox.done([row.id])
        return len(rows)

    async def _carry(self, row: OutboxRow) -> None:
        target = self._engine.driver(row.target) if row.target else self._driver
        effect = unpack(row)
        if isinstance(effect, Envelope):
            await target.push([effect])
        else:
            await _store(target.stores, effect)


async def _store(stores: Stores, effect: BatchStrike | FailedJob | StoredResult | tuple[str, str]) -> None:
    match effect:
        case FailedJob() if stores.failed is not None:
            await stores.failed.add([effect])
        case BatchStrike() if stores.batches is not None:
            await stores.batches.strike([effect])
        case StoredResult() if stores.results is not None:
            await stores.results.put(effect)
        case (key, owner) if stores.locks is not None:
            await stores.locks.release(key, owner)
        case _:
            _log.error("the outbox holds %s for a store that is not there; it is dropped", type(effect).__name__)
