"""Effects for stores that their writer does not own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from asyncq.drivers.postgres.ears import Ears
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import MICRO, micros
from asyncq.drivers.postgres.ringer import Ringer
from asyncq.drivers.postgres.waiting import until
from asyncq.records import OutboxRow

__all__ = ["PostgresOutbox"]

SELDOM: Final = 2.0
"""Seconds between two looks at an outbox where no notification is heard."""


class PostgresOutbox:
    """The outbox of one schema."""

    def __init__(self, link: Link, ears: Ears, ringer: Ringer) -> None:
        self._link = link
        self._ears = ears
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

    async def wait(self, *, timeout: float) -> None:
        """Return when there may be a row to take, or after `timeout` seconds."""

        async def look() -> float | None:
            free_in = (await self._link.run("outbox_free_in"))[0][0]
            return None if free_in is None else max(0.0, free_in / MICRO)

        await until(look, self._ears, ["o:"], timeout, max(SELDOM, self._link.options.poll))

    async def done(self, ids: Sequence[str], /) -> None:
        """Forget rows that were relayed."""
        await self._link.run("outbox_done", list(ids))
