"""What an error of SQLite means: the typed error, with the path and the way out."""

from __future__ import annotations

import resource
import sqlite3
from pathlib import Path

from asyncq.errors import (
    AsyncqError,
    BrokerUnavailable,
    DriverError,
    PayloadTooLarge,
    QueueFull,
    SchemaError,
)

__all__ = ["broken", "busy", "disk_failed", "full", "translate"]

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}
_RIGHTS = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH}
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
# After these a connection may hold a wrong idea of the file, so it is opened anew.
_BROKEN = _DAMAGED | _RIGHTS | {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM}
_WRITES = {sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_TRUNCATE, sqlite3.SQLITE_IOERR_SHMSIZE}


def busy(error: sqlite3.Error) -> bool:
    """Say whether another connection held a lock."""
    return _primary(error) in _BUSY


def translate(error: sqlite3.Error, path: Path) -> AsyncqError:
    """Return the typed error that says the same, the path and what to do."""
    kind = _primary(error)
    if busy(error):
        return BrokerUnavailable(
            f"{path}: another connection held the write lock longer than busy_timeout ({error}); "
            "end its transaction, or raise busy_timeout; a dispatch inside a transaction of yours joins it with tx=…"
        )
    if full(error, path):
        return QueueFull(
            f"{path}: no room for more ({error}); free space on the disk, or raise max_page_count or the "
            "file size limit (ulimit -f); jobs that are done can still be settled as far as SQLite finds room"
        )
    if kind in _RIGHTS:
        return BrokerUnavailable(f"{path} cannot be opened for writing ({error}); check its owner, mode and mount")
    if kind in _DAMAGED:
        return SchemaError(
            f"{path} is damaged or no SQLite database ({error}); stop all processes, then restore a backup or "
            "save what is left with: sqlite3 FILE .recover"
        )
    return _rest(error, kind, path)


def disk_failed(path: Path, how: object) -> BrokerUnavailable:
    """Return the error that says so."""
    return BrokerUnavailable(f"{path}: the disk failed ({how}); check the disk and the kernel's log")


def broken(error: BaseException) -> bool:
    """Say whether the connection that raised this must be opened anew."""
    return isinstance(error, sqlite3.Error) and _primary(error) in _BROKEN


def full(error: BaseException, path: Path) -> bool:
    """Say whether this means that there is no room: on the disk, in the quota of pages, or below the size limit."""
    if not isinstance(error, sqlite3.Error):
        return False
    if _primary(error) == sqlite3.SQLITE_FULL:
        return True
    # A file at RLIMIT_FSIZE fails as an error of input and output, in words that name no reason.
    return getattr(error, "sqlite_errorcode", 0) in _WRITES and _at_size_limit(path)


def _rest(error: sqlite3.Error, kind: int, path: Path) -> AsyncqError:
    if kind == sqlite3.SQLITE_IOERR:
        return disk_failed(path, _name(error))
    if kind == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.DataError):
        return PayloadTooLarge(f"{path}: SQLite takes no row of more than 1 GB ({error}); store the data elsewhere")
    if "no such table" in str(error) or "no such index" in str(error) or "no such column" in str(error):
        return SchemaError(f"{path}: a table of asyncq is missing ({error}); restore a backup, or use a new file")
    return DriverError(f"{path}: {_name(error)}: {error}")


def _primary(error: sqlite3.Error) -> int:
    # Errors that Python's module raises by itself have no code.
    return int(getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))


def _at_size_limit(path: Path) -> bool:
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit == resource.RLIM_INFINITY:
        return False
    files = (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    # Within one write of the limit: SQLite writes a page and its frame at a time.
    return any(file.exists() and file.stat().st_size + 65_536 > limit for file in files)
