"""Takes the write lock of a file."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from asyncq.drivers.sqlite.faults import busy

__all__ = ["begin_writing"]

TRIES: Final = 50
PAUSE: Final = 0.000_1
"""Seconds between two of these tries."""


def begin_writing(connection: sqlite3.Connection) -> None:
    """Begin a transaction that writes; waits for others as the connection's busy_timeout says, raises as SQLite does.

    Another worker gives the lock back within a millisecond, mostly. SQLite looks again after 1, 2, 5, 10 and more of
    them, so that two busy workers would do no more than one.
    """
    (patience,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        begun = any(_try(connection) for _ in range(TRIES))
    finally:
        connection.execute(f"PRAGMA busy_timeout = {patience}")
    if not begun:
        connection.execute("BEGIN IMMEDIATE")


def _try(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if not busy(error):
            raise
        time.sleep(PAUSE)
        return False
    return True
