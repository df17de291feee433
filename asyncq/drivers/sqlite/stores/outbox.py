"""Effects for stores that their writer does not own."""

from __future__ import annotations

from collections.abc import Sequence

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import micros
from asyncq.drivers.sqlite.step import Step
from asyncq.records import OutboxRow

__all__ = ["SqliteOutbox", "put"]


def put(step: Step, rows: Sequence[OutboxRow]) -> None:
    """Write rows; one whose id is there already is kept as it was."""
    step.each("stores.outbox_put", [(row.id, row.kind, row.target, row.body) for row in rows])


def _free_at(step: Step) -> int | None:
    row = step.row("stores.outbox_free_at")
    return None if row is None else row[0]


class SqliteOutbox:
    """The outbox of one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, rows: Sequence[OutboxRow], /) -> None:
        """Write rows by themselves."""
        given = tuple(rows)
        await self._database.write(lambda step: put(step, given))

    async def take(self, *, limit: int, lease: float) -> Sequence[OutboxRow]:
        """Lease the oldest rows for so many seconds."""

        def work(step: Step) -> list[OutboxRow]:
            values = {"until": step.now + micros(lease), "now": step.now, "limit": max(0, limit)}
            # RETURNING keeps no order.
            return [OutboxRow(*row[1:]) for row in sorted(step.rows("stores.outbox_take", values))]

        return await self._database.write(work)

    async def wait(self, *, timeout: float) -> None:
        """Return when a row may be taken, or after `timeout` seconds."""
        await self._database.watch.until(_free_at, (), timeout, seldom=True)

    async def done(self, ids: Sequence[str], /) -> None:
        """Forget rows that were relayed."""
        given = tuple(ids)
        await self._database.write(lambda step: step.each("stores.outbox_done", [(id,) for id in given]))
