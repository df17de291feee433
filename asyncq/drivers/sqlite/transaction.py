"""Runs pieces of work on one connection, many in one transaction, each as if it were alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncq.drivers.sqlite.faults import broken, disk_failed, full, translate
from asyncq.drivers.sqlite.instants import Instants
from asyncq.drivers.sqlite.journal import Journal
from asyncq.drivers.sqlite.locking import begin_writing
from asyncq.drivers.sqlite.outage import Outage
from asyncq.drivers.sqlite.schema import identity
from asyncq.drivers.sqlite.step import Step
from asyncq.errors import BrokerUnavailable

__all__ = ["Answer", "Home", "Transactor", "Work"]

Work = Callable[[Step], Any]
Answer = tuple[Any, Exception | None]
"""What a piece of work returned, or why it failed."""


@dataclass(frozen=True, slots=True)
class Home:
    """What all connections to one file share."""

    path: Path
    sql: Mapping[str, str]
    instants: Instants
    open: Callable[[], sqlite3.Connection]
    lease: int = 0
    """Microseconds."""
    synced: bool = False
    """Whether what was committed is brought to the disk before it is answered."""


class Transactor:
    """One connection, used by one thread at a time; opened at the first use, and anew after an error that broke it.

    Works share a transaction. If anything in it fails, it is rolled back and each work runs again in a transaction of
    its own, so that one's error never reaches another; this costs nothing while all goes well, unlike savepoints.
    """

    def __init__(self, home: Home, *, writes: bool, prelude: Callable[[Step], None] | None = None) -> None:
        self._home = home
        self._writes = writes
        self._prelude = prelude
        """House-keeping at the start of a shared transaction; left out when works run alone."""
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        # A transaction that only reads finds nothing to spare: none reclaims in it.
        self._outage = Outage(home.lease if writes else 0)
        self._journal = Journal(home.path) if writes and home.synced else None

    def run(self, works: Sequence[Work]) -> tuple[list[Answer], set[str]]:
        """Run the works; answers each one's result or error, and the topics that the committed ones touched."""
        try:
            connection = self._begun()
        except Exception as error:
            return [(None, self._typed(error))] * len(works), set()
        try:
            results, touched = self._body(connection, works, self._prelude)
        except Exception as error:
            self._relieve(error)
            return self._singly(works)
        return self._kept(results), touched

    def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if self._journal is not None:
            self._journal.close()
        if connection is not None:
            connection.close()

    def _singly(self, works: Sequence[Work]) -> tuple[list[Answer], set[str]]:
        answers: list[Answer] = []
        topics: set[str] = set()
        for work in works:
            try:
                results, touched = self._body(self._begun(), (work,), None, alone=True)
            except Exception as error:
                self._drop_if_broken(error)
                answers.append((None, self._typed(error)))
            else:
                answers += self._kept(results)
                topics |= touched
        return answers, topics

    def _kept(self, results: Sequence[Any]) -> list[Answer]:
        """Answer works that were committed, when that is on the disk; others may write meanwhile."""
        if self._journal is not None and self._connection is not None:
            try:
                self._journal.sync(self._connection.total_changes)
            except OSError as error:
                self.close()
                failed = disk_failed(self._home.path, error)
                failed.__cause__ = error
                return [(None, failed)] * len(results)
        return [(result, None) for result in results]

    def _begun(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._home.open()
            self._identity = identity(self._home.path)
        elif identity(self._home.path) != self._identity:
            self.close()
            raise BrokerUnavailable(
                f"{self._home.path} was removed or replaced while it was open; the next call opens what is there now"
            )
        try:
            if self._writes:
                begin_writing(self._connection)
            else:
                self._connection.execute("BEGIN")
        except sqlite3.Error as error:
            self._drop_if_broken(error)
            raise
        return self._connection

    def _body(
        self,
        connection: sqlite3.Connection,
        works: Sequence[Work],
        prelude: Callable[[Step], None] | None,
        *,
        alone: bool = False,
    ) -> tuple[list[Any], set[str]]:
        """Run works between BEGIN and COMMIT; the time is read when the lock is ours, not when we asked for it."""
        try:
            step = Step(connection, self._home.sql, self._home.instants.now(), alone=alone)
            self._outage.spare(step)
            if prelude is not None:
                prelude(step)
            results = [work(step) for work in works]
            connection.execute("COMMIT")
            self._outage.committed()
        except BaseException:
            # SQLite rolls back by itself after some errors (a full disk), and then there is nothing to roll back.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results, step.touched

    def _relieve(self, error: Exception) -> None:
        """Make the second try more likely to succeed than the first."""
        self._drop_if_broken(error)
        if self._connection is not None and full(error, self._home.path):
            # Room inside the files: the next transaction overwrites the log from its start instead of growing it, so
            # that finished jobs can be settled on a full disk. If even this finds no room, the second try says so.
            with suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _drop_if_broken(self, error: Exception) -> None:
        if broken(error):
            self.close()

    def _typed(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        typed = translate(error, self._home.path)
        typed.__cause__ = error
        return typed
