"""How much the statements read: never more because the backlog is larger."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from asyncq.clock import SYSTEM_CLOCK
from asyncq.drivers.sqlite import jobs, leases
from asyncq.drivers.sqlite.instants import Instants
from asyncq.drivers.sqlite.settling import settle
from asyncq.drivers.sqlite.step import Step, statements
from asyncq.payload import Done, Envelope, Settlement
from tests.unit.sqlite.files import home_at

HOT = [
    "jobs.by_id", "jobs.by_key", "jobs.cancel", "jobs.clear_leased", "jobs.clear_suspect", "jobs.clear_waiting",
    "jobs.find", "jobs.free", "jobs.free_outlived", "jobs.page_delayed", "jobs.push", "jobs.sizes", "leases.ahead",
    "leases.extend", "leases.forget", "leases.give_back", "leases.lease", "leases.lease_alone", "leases.reclaim",
    "leases.release", "stores.limit_get", "stores.lock_extend", "stores.lock_owner", "stores.lock_release",
    "stores.outbox_done", "stores.result_get", "stores.result_prune", "stores.signal_page", "batches.count",
    "batches.end_member", "batches.failures", "batches.open", "meta.sweep_locks", "meta.sweep_limits",
    "meta.sweep_signals", "meta.sweep_slots", "stores.slot_count", "stores.slot_end", "stores.slot_extend",
    "stores.slot_free", "stores.slot_owned", "stores.slot_tidy",
]  # fmt: skip
FILL = """
INSERT INTO asyncq_jobs (id, queue, name, due, token, lease_until, crashes, body)
WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < :count - 1)
SELECT printf('%s-%08d', :kind, n), :queue, 'app:Work', n, :token, :until, :crashes, x'7b7d' FROM number
"""


@contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    with closing(home_at(path).open()) as connection:
        yield connection


@pytest.mark.parametrize("name", HOT)
def test_no_table_is_scanned_and_nothing_is_sorted(tmp_path: Path, name: str) -> None:
    text = statements("asyncq")[name]
    with opened(tmp_path / "queue.db") as connection:
        named = ("ids", "now", "queue", "limit", "offset", "until", "key", "owner", "batch", "by", "member", "failed")
        values: Any = dict.fromkeys((*named, "prefix"), 1) if ":" in text else (1,) * text.count("?")
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]
    read = [line for line in plan if line.startswith("SCAN") and "VIRTUAL TABLE" not in line]
    assert [line for line in read if line != "SCAN CONSTANT ROW"] == []
    assert not [line for line in plan if "TEMP B-TREE" in line]


def fill(connection: sqlite3.Connection, kind: str, count: int, **values: object) -> None:
    known = {"kind": kind, "count": count, "queue": "default", "token": None, "until": None, "crashes": 0, **values}
    connection.execute("BEGIN")
    connection.execute(FILL, known)
    connection.execute("COMMIT")


def effort(connection: sqlite3.Connection, work: Callable[[Step], object]) -> int:
    """Count the steps of SQLite's machine that the work takes; a time would depend on the computer."""
    count = 0

    def tick() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(tick, 10)
    work(Step(connection, statements("asyncq"), Instants(SYSTEM_CLOCK).now()))
    connection.set_progress_handler(None, 0)
    return count


def cycle(step: Step) -> None:
    """Push, reserve and settle 20 jobs."""
    jobs.push(step, [Envelope(f"new-{number}", "default", "app:Work", b"{}", due_at=0.0) for number in range(20)])
    reserved = leases.reserve(step, ("default", "empty"), 30_000_000, limit=20, alone=False)
    assert len(reserved.items) == 20
    assert settle(step, [Settlement(held, Done()) for held in reserved.items]) == []


@pytest.mark.parametrize(
    "heap",
    [
        {"kind": "waiting"},
        {"kind": "suspect", "crashes": 2},
        {"kind": "leased", "token": "t", "until": 2**61},
        {"kind": "elsewhere", "queue": "other"},
        {"kind": "expired-elsewhere", "queue": "other", "token": "t", "until": 1},
    ],
    ids=lambda heap: str(heap["kind"]),
)
def test_a_heap_of_jobs_does_not_make_the_work_longer(tmp_path: Path, heap: dict[str, object]) -> None:
    with opened(tmp_path / "small.db") as small, opened(tmp_path / "large.db") as large:
        few, many = (1_000, 100_000)
        kind = str(heap["kind"])
        others = {key: value for key, value in heap.items() if key != "kind"}
        fill(small, kind, few, **others)
        fill(large, kind, many, **others)
        assert effort(large, cycle) <= 1.2 * effort(small, cycle)


def test_expired_leases_come_back_in_bounded_chunks(tmp_path: Path) -> None:
    with opened(tmp_path / "queue.db") as connection:
        fill(connection, "expired", 3_000, token="t", until=1)  # noqa: S106
        step = Step(connection, statements("asyncq"), Instants(SYSTEM_CLOCK).now())
        leases.reserve(step, ("default",), 1, limit=0, alone=False)
        left = connection.execute("SELECT count(*) FROM asyncq_jobs WHERE token IS NOT NULL").fetchone()[0]
        assert left == 2_500
