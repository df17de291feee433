"""The write lock of a file, as one of two connections takes it from the other."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncq.drivers.sqlite import locking
from asyncq.drivers.sqlite.locking import begin_writing


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[sqlite3.Connection, sqlite3.Connection]]:
    """Two connections to one file; the first waits for up to 10 s."""
    connections = [
        sqlite3.connect(tmp_path / "a.db", timeout=10, isolation_level=None, check_same_thread=False) for _ in range(2)
    ]
    connections[0].execute("PRAGMA journal_mode = WAL")
    yield connections[0], connections[1]
    for connection in connections:
        connection.close()


Pair = tuple[sqlite3.Connection, sqlite3.Connection]


def patience(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA busy_timeout").fetchone()[0])


def test_a_free_lock_is_taken_and_the_patience_stays(pair: Pair) -> None:
    ours, _ = pair
    begin_writing(ours)
    assert ours.in_transaction
    assert patience(ours) == 10_000


@pytest.mark.parametrize("tries", [0, 2, 100_000])
def test_it_waits_for_the_one_who_holds_it_between_the_tries_and_after_them(
    pair: Pair, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locking, "TRIES", tries)
    ours, theirs = pair
    theirs.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.2, theirs.execute, ["COMMIT"])
    release.start()
    begin_writing(ours)
    release.join()
    assert ours.in_transaction
    assert patience(ours) == 10_000


def test_it_gives_up_when_the_patience_is_at_its_end(pair: Pair) -> None:
    ours, theirs = pair
    ours.execute("PRAGMA busy_timeout = 20")
    theirs.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin_writing(ours)
    assert not ours.in_transaction
    assert patience(ours) == 20


def test_what_is_no_lock_is_raised_at_once(pair: Pair) -> None:
    ours, _ = pair
    begin_writing(ours)
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        begin_writing(ours)
    assert patience(ours) == 10_000
