"""Effects for stores that their writer does not own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from asyncq.drivers.redis.micros import micros
from asyncq.drivers.redis.settling import row_fields
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.records import OutboxRow

__all__ = ["RedisOutbox"]

MOST: Final = 10_000


class RedisOutbox:
    """The outbox of one connection; in a cluster each queue has a part of it, in its own slot."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._taken_from: dict[str, set[str]] = {}
        """Homes of rows that were taken and are not done yet, so that those need not be asked for in all of them."""

    async def put(self, rows: Sequence[OutboxRow], /) -> None:
        """Write rows by themselves; a row whose id is there already is kept as it was."""
        if rows:
            await self._shelf.run("outbox_put", [field for row in rows for field in row_fields(row)])

    async def take(self, *, limit: int, lease: float) -> Sequence[OutboxRow]:
        """Lease the oldest rows for so many seconds, in which no other worker gets them."""
        rows: list[OutboxRow] = []
        for home in await self._shelf.homes():
            if len(rows) < limit:
                found = _rows(await self._shelf.run("outbox_take", [limit - len(rows), micros(lease)], home=home))
                self._remember(home, found)
                rows += found
        return rows

    async def done(self, ids: Sequence[str], /) -> None:
        """Forget rows that were relayed."""
        by_home: dict[str, list[str]] = {}
        for id in ids:
            for home in self._taken_from.get(id) or await self._shelf.homes():
                by_home.setdefault(home, []).append(id)
        for home, mine in by_home.items():
            await self._shelf.run("outbox_done", mine, home=home)
        for id in ids:
            self._taken_from.pop(id, None)

    def _remember(self, home: str, rows: Sequence[OutboxRow]) -> None:
        if not self._shelf.keys.clustered:
            return
        if len(self._taken_from) > MOST:
            self._taken_from.clear()  # of rows that another client relayed: those are asked for everywhere
        for row in rows:
            self._taken_from.setdefault(row.id, set()).add(home)


def _rows(answer: Sequence[Any]) -> list[OutboxRow]:
    found: list[OutboxRow] = []
    for place in range(0, len(answer), 4):
        id, kind, target, body = answer[place : place + 4]
        found.append(OutboxRow(id.decode(), kind.decode(), target.decode(), body))
    return found
