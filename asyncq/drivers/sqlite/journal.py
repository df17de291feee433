"""Brings what was committed to the disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

__all__ = ["Journal"]

_sync: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


class Journal:
    """The write-ahead log of one open connection, by a handle of our own.

    SQLite's own sync is a part of its commit, and keeps all other writers out meanwhile. A transaction is whole in the
    log before its lock is released, and the log is written from its start to its end: synced after that, it holds all
    that anybody committed before. SQLite locks other files than this one, so that to close it gives back no lock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._changes = 0

    def sync(self, changes: int) -> None:
        """Return when all that was committed is on the disk; raises OSError.

        `changes` is how many the connection has made in all: where there was none since the last time, all is there.
        """
        if changes == self._changes:
            return
        if self._handle is None:
            # The log lies beside the file itself, not beside a link to it, and stays while a connection is open.
            place = self._path.resolve()
            self._handle = os.open(place.with_name(f"{place.name}-wal"), os.O_RDWR | os.O_CLOEXEC)
        _sync(self._handle)
        self._changes = changes

    def close(self) -> None:
        """Close the handle, with the connection; the next sync opens the log anew."""
        handle, self._handle, self._changes = self._handle, None, 0
        if handle is not None:
            os.close(handle)
