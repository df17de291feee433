"""The driver's part in transactions of its users, on their connections to the same file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar, cast

from asyncq.contracts import Lending, Statements, Transaction
from asyncq.drivers.sqlite import jobs
from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.room import check_room
from asyncq.drivers.sqlite.settling import settle
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.drivers.sqlite.stores import outbox
from asyncq.payload import Envelope, Pushed, Reservation, Settlement
from asyncq.records import OutboxRow

__all__ = ["Guest"]

T = TypeVar("T")


class Guest:
    """The half of the SQLite driver that writes through a connection of somebody else.

    Nobody is woken here: who waits in this process notices the commit as one of another process.
    """

    _database: Database

    async def owns(self, transaction: Transaction, /) -> bool:
        """Say whether the transaction is one of our file."""
        if transaction.dialect != "sqlite" or not isinstance(transaction, Lending):
            return False
        return _same(await transaction.lend(_main_file), self._database.options.path)

    async def push_in(self, transaction: Transaction, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes when the transaction commits."""
        given, path = tuple(envelopes), self._database.options.path

        def work(step: Step) -> Sequence[Pushed]:
            check_room(step, path, given)
            return jobs.push(step, given)

        return await self._within(transaction, work) if given else []

    async def settle_in(self, transaction: Transaction, settlement: Settlement, /) -> bool:
        """End one attempt when the transaction commits; False where it was stale."""
        return not await self._within(transaction, lambda step: settle(step, (settlement,)))

    async def settled(self, reservation: Reservation, /) -> bool:
        """Say whether an end was committed; a transaction that is open cannot be told from one that was rolled back."""
        return not await self._database.read(lambda step: jobs.find(step, [reservation.id]))

    async def note_in(self, transaction: Transaction, rows: Sequence[OutboxRow], /) -> None:
        """Write outbox rows when the transaction commits."""
        given = tuple(rows)
        await self._within(transaction, lambda step: outbox.put(step, given))

    async def _within(self, transaction: Transaction, work: Callable[[Step], T]) -> T:
        assert isinstance(transaction, Lending)  # `owns` saw it
        home = self._database.home
        return await transaction.lend(lambda theirs: work(_GuestStep(theirs, home.sql, home.instants.now())))


class _GuestStep(Step):
    """A step that needs single statements only, and never has to roll back."""

    __slots__ = ()

    def __init__(self, theirs: Statements, sql: Any, now: int) -> None:
        super().__init__(cast(Connection, theirs), sql, now, alone=True)

    def each(self, name: str, rows: Sequence[Row], /) -> list[bool]:
        """Run one statement for each row of parameters; says for each whether it changed something."""
        return [self.run(name, row).rowcount > 0 for row in rows]


def _main_file(theirs: Statements) -> str:
    rows: Sequence[Row] = theirs.execute("PRAGMA database_list").fetchall()
    return next((str(file or "") for _, name, file in rows if name == "main"), "")


def _same(file: str, path: Path) -> bool:
    """Say whether two paths lead to one file; a database in memory has none."""
    try:
        return bool(file) and path.samefile(file)
    except OSError:
        return False
