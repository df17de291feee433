"""Drivers on files of a test's own, and the parts below them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.config import Connection
from asyncq.drivers.sqlite import SqliteDriver
from asyncq.drivers.sqlite.instants import Instants
from asyncq.drivers.sqlite.options import options_of
from asyncq.drivers.sqlite.schema import open_file
from asyncq.drivers.sqlite.step import Step, statements
from asyncq.drivers.sqlite.transaction import Home, Transactor
from asyncq.payload import Envelope

__all__ = ["driver_at", "files", "home_at", "job", "nothing", "traced"]


def driver_at(path: Path, clock: Clock = SYSTEM_CLOCK, **options: str) -> SqliteDriver:
    """Make a driver on a file; it is not open yet."""
    return SqliteDriver(Connection(f"sqlite:///{path}?{urlencode(options)}").settings("main"), clock)


def files(directory: Path) -> list[Path]:
    """List a directory."""
    return sorted(directory.iterdir())


def home_at(path: Path, seen: Callable[[str], object] | None = None) -> Home:
    """Make what connections to a file share; `seen` is told each statement."""
    options = options_of(Connection(f"sqlite:///{path}").settings("main"))

    def opened() -> sqlite3.Connection:
        connection = open_file(options)
        if seen is not None:
            connection.set_trace_callback(seen)
        return connection

    return Home(path, statements("asyncq"), Instants(SYSTEM_CLOCK), opened if seen else partial(open_file, options))


def traced(path: Path) -> tuple[Transactor, list[str]]:
    """Make a writing transactor, and the list of statements that it will have run."""
    ran: list[str] = []
    return Transactor(home_at(path, ran.append), writes=True), ran


def job(id: str, queue: str = "default", body: bytes = b"{}\n[]") -> Envelope:
    """Make an envelope."""
    return Envelope(id, queue, "app:Work", body)


def nothing(_: Step) -> None:
    """Do no work."""
