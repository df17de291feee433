"""Stands in for a worker that relays, so that a test can look at what a settlement has brought about."""

from __future__ import annotations

from asyncq.contracts import Driver
from asyncq.outbox import unpack
from asyncq.testing.conformance.jobs import there
from asyncq.worker.relay import store

__all__ = ["relayed"]


async def relayed(driver: Driver) -> None:
    """Relay what settlements left for this connection, where their effects are not one step with them."""
    if driver.traits.atomic_effects:
        return
    outbox = there(driver.stores.outbox)
    while own := [row for row in await outbox.take(limit=1_000, lease=0.0) if not row.target]:
        for row in own:
            if row.kind == "push":
                await driver.push([unpack(row)])  # type: ignore[list-item]  # the row says that it is an envelope
            else:
                await store(driver.stores, row.kind, [unpack(row)])
        await outbox.done([row.id for row in own])
