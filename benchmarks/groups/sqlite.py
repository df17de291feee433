"""asyncq on SQLite and in memory, beside hand-written loops and beside huey."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from benchmarks.harness.case import Case
from benchmarks.harness.group import Bench, Group
from benchmarks.harness.results import Figure, Results, Target
from benchmarks.harness.table import listing

__all__ = ["SQLITE"]

HUEY = "huey==3.5.4"
UNITS = {
    "rate": "jobs/s",
    "cpu_us": "µs CPU a job",
    "one": "/s one after the other",
    "together": "/s by 50 at once",
    "bulk": "/s in bulk",
    "one_process": "jobs/s by one process",
    "two_processes": "jobs/s by two",
    "p50_ms": "ms p50",
    "p99_ms": "ms p99",
    "cpu_ms_per_s": "ms CPU a second",
    "resident_mb": "MB resident",
}


def _case(title: str, name: str, jobs: int, synchronous: str = "NORMAL") -> Case:
    return Case(title, "", "benchmarks.engine.cases", (name, str(jobs), synchronous))


def cases(jobs: int) -> list[Case]:
    """Return the cases in the order of a round."""
    few = min(jobs, 20_000)
    return [
        _case("hand loop, tasks", "hand_tasks", jobs),
        _case("memory, no-op", "worked_memory", jobs),
        _case("hand loop, SQLite", "hand_sqlite", jobs),
        _case("SQLite NORMAL, no-op", "worked_sqlite", jobs),
        _case("SQLite FULL, no-op", "worked_sqlite", jobs, "FULL"),
        Case("huey on SQLite, 1 thread", "", "benchmarks.rivals.huey_sqlite", (str(few),), (HUEY,)),
        _case("SQLite, enqueue", "enqueue", few),
        _case("SQLite, latency", "latency", 300),
        _case("idle worker, SQLite", "idle", 1),
        Case("SQLite, processes", "", "benchmarks.engine.asyncq_processes", ("sqlite://", str(jobs))),
    ]


@contextmanager
def _open(jobs: int) -> Iterator[Bench]:
    versions = f"SQLite {sqlite3.sqlite_version}, anyio {version('anyio')}, orjson {version('orjson')}"
    yield Bench(cases(jobs), versions)


def _table(results: Results) -> Iterator[str]:
    return listing(results, UNITS)


def _figure(contender: str, name: str = "rate") -> Figure:
    return Figure(contender, "", name)


def _ratio(contender: str, other: str, at_least: float | None) -> Target:
    return Target(f"{contender} : {other}", _figure(contender), _figure(other), at_least=at_least)


SQLITE = Group(
    name="sqlite",
    title="SQLite and memory",
    jobs=50_000,
    open=_open,
    table=_table,
    targets=(
        _ratio("memory, no-op", "hand loop, tasks", 0.35),
        _ratio("SQLite NORMAL, no-op", "hand loop, SQLite", None),
        _ratio("SQLite NORMAL, no-op", "huey on SQLite, 1 thread", 1.3),
        Target("SQLite NORMAL, no-op, jobs/s", _figure("SQLite NORMAL, no-op"), at_least=5_000),
        Target("SQLite FULL, no-op, jobs/s", _figure("SQLite FULL, no-op"), at_least=2_500),
        Target(
            "SQLite, two processes : one",
            _figure("SQLite, processes", "two_processes"),
            _figure("SQLite, processes", "one_process"),
            at_least=1.4,
        ),
        Target("idle worker, ms CPU a second", _figure("idle worker, SQLite", "cpu_ms_per_s"), at_most=2),
        Target("idle worker, MB resident", _figure("idle worker, SQLite", "resident_mb"), at_most=45),
    ),
    caveats=("Concurrency 50, preloaded jobs that do nothing; each is checked to have run exactly once.",),
)
