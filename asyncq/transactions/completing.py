"""Ends a job inside a transaction of its handler, so that its effects there are had exactly once."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import anyio

from asyncq.context import Early, JobContext
from asyncq.contracts import Driver, Transactional
from asyncq.errors import ConfigError, LeaseLost
from asyncq.payload import Done, Settlement
from asyncq.plugin import Plugin, effects_of
from asyncq.transactions.adapting import adapt
from asyncq.transactions.joining import Owners

__all__ = ["Acceptor", "Completing"]

_WHAT = "complete(tx=…)"
SHORTEST_PAUSE: Final = 0.02
"""First pause between two looks at a transaction that is still open, in seconds; each next one is twice as long."""
LONGEST_PAUSE: Final = 0.5
_log = logging.getLogger("asyncq.worker")


class Completing:
    """Ends the jobs of one connection."""

    def __init__(self, driver: Driver, owners: Owners, settlers: Sequence[Plugin]) -> None:
        self._driver = driver
        self._owners = owners
        self._settlers = settlers

    async def complete(self, ctx: JobContext, tx: object, result: Any, /) -> None:
        """Write the end; it counts from the commit on."""
        item, run = ctx.reservation, ctx.run
        if not item.token:
            return  # it runs here and now, and no broker waits for its end
        adapted = await adapt(tx, _WHAT)
        owner = await self._owners.owns(ctx.connection, adapted)
        if owner is None:
            raise ConfigError(
                f"{ctx.payload.name}: {_WHAT} ends a job only in the database where its connection "
                f"{ctx.connection!r} has its tables; without it the job ends when its handler returns"
            )
        outcome = Done(result)
        settlement = Settlement(item, outcome, effects_of(self._settlers, ctx, outcome))
        # From here on the row is locked until the commit: the lease is no longer renewed, or that would wait for it.
        run.early, before = Early(settlement, partial(self._stands, ctx, owner)), run.early
        try:
            fresh = await owner.settle_in(adapted.transaction, settlement)
        except BaseException:
            run.early = before
            raise
        if not fresh:
            run.early = before
            raise LeaseLost(
                f"{ctx.payload.name} {ctx.id}: its lease was lost, or it was completed already; let this error leave "
                "the transaction, so that it is rolled back"
            )

    async def _stands(self, ctx: JobContext, owner: Transactional) -> bool | None:
        """Wait for the end of the transaction, as long as the lease lasts and the worker goes on.

        To settle instead would wait for the lock of the row, and let all other jobs wait with it.
        """
        name, id = ctx.payload.name, ctx.id
        ends_at, pause = time.monotonic() + self._driver.lease, SHORTEST_PAUSE
        while (committed := await owner.settled(ctx.reservation)) is None:
            if pause == SHORTEST_PAUSE:
                _log.warning("%s %s: %s is not over, though its handler is; commit first", name, id, _WHAT)
            if ctx.stopping.is_set() or time.monotonic() > ends_at:
                return None
            with anyio.move_on_after(pause):
                await ctx.stopping.wait()
            pause = min(2 * pause, LONGEST_PAUSE)
        return committed


class Acceptor:
    """Takes every transaction and writes nothing: in tests without a broker."""

    async def complete(self, ctx: JobContext, tx: object, result: Any, /) -> None:
        """Leave the end to what the handler returns."""
