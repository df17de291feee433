"""What a Postgres server has spent so far.

`server_us` is CPU of all its processes, where it runs on this machine. `wal_syncs` are complete only when the sessions
of interest have ended: a session reports its own once in a while, and then. `statements` need `pg_stat_statements`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rivals.counters import Counters
from benchmarks.rivals.postgres_wire import Wire

__all__ = ["read"]

WAL_BYTES = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
SYNCS = "SELECT wal_sync FROM pg_stat_wal"
SYNCS_SINCE_18 = "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'"
HAS_STATEMENTS = "SELECT to_regclass('pg_stat_statements')"
STATEMENTS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements"
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


def read(url: str) -> Counters:
    """Ask the server at the URL for its counters."""
    with Wire(url) as server:
        # Five statements of ours follow the count of them, or precede the next one.
        statements = _statements(server)
        totals = {
            "wal_bytes": _number(server, WAL_BYTES),
            "wal_syncs": _number(server, SYNCS_SINCE_18 if _version(server) >= 18 else SYNCS),
            **_cpu(int(_number(server, "SELECT pg_backend_pid()"))),
            **statements,
        }
    return Counters(totals, {"statements": 5})


def _version(server: Wire) -> int:
    return int(server.settings["server_version"].split(".")[0].split("beta")[0])


def _number(server: Wire, statement: str) -> float:
    return float(server.rows(statement)[0][0] or 0)


def _statements(server: Wire) -> dict[str, float]:
    if server.rows(HAS_STATEMENTS)[0][0] is None:
        return {}
    return {"statements": _number(server, STATEMENTS)}


def _cpu(backend: int) -> dict[str, float]:
    """Sum up the first process, those that live, and those that ended."""
    try:
        first = int(_stat(backend)[1])
        used = sum(float(value) for value in _stat(first)[11:15])
        used += sum(float(value) for pid in _children(first) for value in _stat(pid)[11:13])
    except OSError:
        return {}
    return {"server_us": used * TICK_US}


def _children(parent: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = _stat(int(folder.name))
        except OSError:
            continue  # it has ended meanwhile
        if int(stat[1]) == parent:
            yield int(folder.name)


def _stat(pid: int) -> list[str]:
    """Return the fields after the name of the program: its state, its parent, …"""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
