"""One transaction as the statements see it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from asyncq.drivers import sql

__all__ = ["Row", "Step", "statements"]

Row = tuple[Any, ...]
_FILES = ("batches", "jobs", "leases", "meta", "stores")


def statements(prefix: str) -> Mapping[str, str]:
    """Return all statements of the driver as `file.name`."""
    loaded = {file: sql.load(__package__ or "", f"{file}.sql", prefix) for file in _FILES}
    return {f"{file}.{name}": text for file, named in loaded.items() for name, text in named.items()}


class Step:
    """Runs named statements at one instant, and remembers which queues its transaction touched."""

    __slots__ = ("alone", "connection", "now", "sql", "touched")

    def __init__(
        self, connection: sqlite3.Connection, sql: Mapping[str, str], now: int, *, alone: bool = False
    ) -> None:
        self.connection = connection
        self.sql = sql
        self.now = now
        """Microseconds since 1970; the same for all calls of the transaction."""
        self.touched: set[str] = set()
        """Queues where a job may be ready now, and results that came; who waits for one of them is woken."""
        self.alone = alone
        """True where a piece of work has the transaction for itself: after it failed among others, or by itself."""

    def run(self, name: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> sqlite3.Cursor:
        """Run one statement."""
        return self.connection.execute(self.sql[name], parameters)

    def row(self, name: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Row | None:
        """Run one statement and return its first row."""
        found: Row | None = self.connection.execute(self.sql[name], parameters).fetchone()
        return found

    def rows(self, name: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> list[Row]:
        """Run one statement and return all its rows."""
        return self.connection.execute(self.sql[name], parameters).fetchall()

    def all(self, name: str, given: Mapping[str, str], /) -> bool:
        """Run one statement that takes keys and values as JSON; say whether it changed as many rows as were given."""
        return self.connection.execute(self.sql[name], (json.dumps(given),)).rowcount == len(given)

    def each(self, name: str, rows: Sequence[Row], /) -> list[bool]:
        """Run one statement for each row of parameters; says for each whether it changed something.

        `executemany` alone tells only the sum; the counter is read whenever it asks for the next parameters.
        """
        connection = self.connection
        counts = [connection.total_changes]

        def feed() -> Iterator[Row]:
            for row in rows:
                yield row
                counts.append(connection.total_changes)

        connection.executemany(self.sql[name], feed())
        return [before != after for before, after in pairwise(counts)]
