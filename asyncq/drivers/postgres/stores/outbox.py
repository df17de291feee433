"""Effects for stores that their writer does not own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import micros
from asyncq.drivers.postgres.ringer import Ringer
from asyncq.records import OutboxRow

__all__ = ["PostgresOutbox"]


class PostgresOutbox:
    """The outbox of one schema."""

    def __init__(self, link: Link, ringer: Ringer) -> None:
        self._link = link
        self._ringer = ringer

    async def put(self, rows: Sequence[OutboxRow], /) -> None:
        """Write rows by themselves; one whose id is there already is kept as it was."""
        columns: list[list[Any]] = [
            [row.id for row in rows],
            [row.kind for row in rows],
            [row.target for row in rows],
            [row.body for row in rows],
        ]
        await self._link.run("outbox_put", *columns)
        self._ringer.ring({"o:"})

    async def take(self, *, limit: int, lease: float) -> Sequence[OutboxRow]:
        """Lease the oldest rows for so many seconds."""
        # A take whose answer was lost leaves its rows leased, and they are taken again after that.
        rows = await self._link.run("outbox_take", max(0, limit), micros(lease))
        return [OutboxRow(row[0], row[1], row[2], row[3]) for row in rows]

    async def done(self, ids: Sequence[str], /) -> None:
        """Forget rows that were relayed."""
        await self._link.run("outbox_done", list(ids))
