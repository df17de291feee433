"""Effects for stores that their writer does not own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncq.drivers.redis.micros import micros
from asyncq.drivers.redis.settling import row_fields
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.records import OutboxRow

__all__ = ["RedisOutbox"]


class RedisOutbox:
    """The outbox of one connection; in a cluster each queue has a part of it, in its own slot."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def put(self, rows: Sequence[OutboxRow], /) -> None:
        """Write rows by themselves; a row whose id is there already is kept as it was."""
        if rows:
            await self._shelf.run("outbox_put", [field for row in rows for field in row_fields(row)])

    async def take(self, *, limit: int, lease: float) -> Sequence[OutboxRow]:
        """Lease the oldest rows for so many seconds, in which no other worker gets them."""
        rows: list[OutboxRow] = []
        for home in await self._shelf.homes():
            if len(rows) < limit:
                rows += _rows(await self._shelf.run("outbox_take", [limit - len(rows), micros(lease)], home=home))
        return rows

    async def done(self, ids: Sequence[str], /) -> None:
        """Forget rows that were relayed."""
        for home in await self._shelf.homes() if ids else ():
            await self._shelf.run("outbox_done", ids, home=home)


def _rows(answer: Sequence[Any]) -> list[OutboxRow]:
    found: list[OutboxRow] = []
    for place in range(0, len(answer), 4):
        id, kind, target, body = answer[place : place + 4]
        found.append(OutboxRow(id.decode(), kind.decode(), target.decode(), body))
    return found
