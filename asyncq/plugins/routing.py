"""Turns effects for stores that the job's driver does not own into outbox rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from asyncq.context import JobContext
from asyncq.outbox import pack
from asyncq.payload import Effects, Outcome
from asyncq.plugin import Plugin
from asyncq.records import OutboxRow

__all__ = ["Routing"]


class Routing(Plugin):
    """The last to settle: it knows, by connection, which connection keeps the failed jobs; None: nobody does."""

    def __init__(self, failed_on: Mapping[str, str | None]) -> None:
        self._failed_on = failed_on

    def settle(self, ctx: JobContext, outcome: Outcome, effects: Effects) -> Effects:
        """Send the failed record where it belongs."""
        if effects.failed is None:
            return effects
        target = self._failed_on.get(ctx.connection)
        if target == ctx.connection:
            return effects
        if target is None:
            return replace(effects, failed=None)
        row = OutboxRow(f"failed:{effects.failed.id}:{ctx.reservation.token}", "failed", target, pack(effects.failed))
        return replace(effects, failed=None, outbox=(*effects.outbox, row))
