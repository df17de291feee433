"""Opens the file: its settings, its journal, its tables at this code's version."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from asyncq.drivers import sql
from asyncq.drivers.sqlite.options import Options, check_place
from asyncq.errors import BrokerUnavailable, ConfigError, SchemaError

__all__ = ["VERSION", "connect", "found", "identity", "open_file", "script"]

_PACKAGE = __package__ or ""
VERSION = max(sql.versions(sql.load(_PACKAGE, "schema.sql")))
"""Version of the tables that this code reads and writes."""

_PATIENCE = 10.0
"""Seconds to wait for another process that is setting the file up, beyond `busy_timeout`."""


def open_file(options: Options) -> sqlite3.Connection:
    """Open the file for writing, made and migrated where that is needed.

    Raises:
        ConfigError: no queue can live at this path.
        BrokerUnavailable: the file cannot be opened for writing now.
        SchemaError: the tables are newer than this code; the file is left as it is.
    """
    check_place(options.path)
    connection = connect(options, options.busy_timeout)
    try:
        meta = sql.load(_PACKAGE, "meta.sql", options.prefix)
        if found(connection, meta, options.path) != VERSION or not _in_wal(connection):
            with _alone(options):
                _migrate(connection, meta, options)
    except BaseException:
        connection.close()
        raise
    return connection


def script(prefix: str, since: int) -> list[str]:
    """Return the statements that make the tables, or bring those of version `since` to this code's, in any client.

    Raises:
        ConfigError: there never was such a version.
    """
    if not 0 <= since <= VERSION:
        raise ConfigError(f"there are no tables of version {since}; this asyncq knows 1 to {VERSION}, 0 is none at all")
    if since == VERSION:
        return []
    return ["PRAGMA journal_mode = WAL", "BEGIN IMMEDIATE", *_steps(prefix, since), "COMMIT"]


def _steps(prefix: str, since: int) -> list[str]:
    meta = sql.load(_PACKAGE, "meta.sql", prefix)
    steps = sql.versions(sql.load(_PACKAGE, "schema.sql", prefix))
    changes = [statement for number, step in steps.items() if number > since for statement in step]
    return [meta["create"], *changes, meta["set"].replace("(?, ?)", f"('schema', {VERSION})")]


def connect(options: Options, timeout: float) -> sqlite3.Connection:
    """Make a connection with this driver's settings; `timeout` is how long it waits for a lock, in seconds."""
    connection = sqlite3.connect(options.path, timeout=timeout, isolation_level=None, check_same_thread=False)
    try:
        connection.execute(f"PRAGMA synchronous = {'NORMAL' if options.synced else options.synchronous}")
        # The builds of some distributions overwrite what is deleted with zeros, which costs a write for each page.
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -8000")
        if options.max_page_count is not None:
            connection.execute(f"PRAGMA max_page_count = {options.max_page_count}")
    except BaseException:
        connection.close()
        raise
    return connection


def identity(path: Path) -> tuple[int, int] | None:
    """Say which file a path leads to now, None if to none.

    A connection to a file that was removed or replaced works on, and what it commits is gone when it closes.
    """
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def found(connection: sqlite3.Connection, meta: Mapping[str, str], path: Path) -> int:
    """Return the version of the tables in the file, 0 where there are none.

    Raises:
        SchemaError: it is newer than this code.
    """
    if not connection.execute(meta["exists"]).fetchone()[0]:
        return 0
    row = connection.execute(meta["get"], ("schema",)).fetchone()
    version = int(row[0]) if row else 0
    if version > VERSION:
        raise SchemaError(
            f"{path} has tables of version {version}, and this asyncq knows them up to {VERSION}; upgrade asyncq here"
        )
    return version


def _in_wal(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")


def _migrate(connection: sqlite3.Connection, meta: Mapping[str, str], options: Options) -> None:
    _switch_to_wal(connection, options)
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _steps(options.prefix, found(connection, meta, options.path)):
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _switch_to_wal(connection: sqlite3.Connection, options: Options) -> None:
    """Switch the journal, again and again: the switch reports a lock at once, whatever `busy_timeout` says."""
    until = time.monotonic() + options.busy_timeout + _PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        if _in_wal(connection):
            return
        if time.monotonic() > until:
            raise BrokerUnavailable(f"{options.path}: cannot switch to WAL; does its file system have shared memory?")
        time.sleep(0.005)


@contextmanager
def _alone(options: Options) -> Generator[None]:
    """Keep other processes from setting the same file up; the lock is a file beside it, which stays."""
    place = options.path.with_name(f"{options.path.name}-lock")
    until = time.monotonic() + options.busy_timeout + _PATIENCE
    try:
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise BrokerUnavailable(f"{place} cannot be opened ({error}); check the directory's owner and mode") from error
    try:
        while not _locked(handle):
            if time.monotonic() > until:
                raise BrokerUnavailable(f"{place} is held by another process; end the one that sets the file up")
            time.sleep(0.005)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
