"""A Postgres server as it is shipped, which writes each commit to disk and counts its statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.postgres import PostgresServer
from tests.support.postgres.binaries import find

__all__ = ["empty", "started"]

DATABASE = "bench"
STATEMENTS = "pg_stat_statements"
AS_SHIPPED = {"shared_buffers": "128MB", "deadlock_timeout": "1s", "jit": "on"}
NO_CHECKPOINT = {"checkpoint_timeout": "1h", "max_wal_size": "8GB"}
"""Else one would fall into some case and not into others, which then write whole pages to their journal."""


@contextmanager
def started() -> Iterator[PostgresServer]:
    """Run it as long as the block lasts."""
    binaries = find()
    if binaries is None:
        raise SystemExit("There is no PostgreSQL server to measure on; try: make servers")
    counts = _counts_statements(binaries)
    preload = {"shared_preload_libraries": STATEMENTS} if counts else {}
    with PostgresServer(persistent=True, config={**AS_SHIPPED, **NO_CHECKPOINT, **preload}) as server:
        if counts:
            # New databases are copies of this one.
            server.command(f"CREATE EXTENSION {STATEMENTS}", database="template1")
        yield server


def _counts_statements(binaries: Path) -> bool:
    """Whether the library is there, without which a server that asks for it does not start."""
    return any(binaries.parent.glob(f"**/{STATEMENTS}.so"))


def empty(server: PostgresServer) -> str:
    """Throw the database away, make a new one and return its URL; all that it costs is over then."""
    server.command(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    url = server.database(DATABASE)
    server.command("CHECKPOINT")
    return url
