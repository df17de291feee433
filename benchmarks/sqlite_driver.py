"""The SQLite driver beside a hand loop in bare `sqlite3`, in one interleaved run.

    python benchmarks/sqlite_driver.py [--jobs 20000] [--rounds 3] [--directory DIR]

The hand loop deletes the finished and claims the next K in one transaction; it has no lease to extend, no fence that is
checked one by one, no unique keys and no thread. `turn` does all that and hops to the writer's thread and back. A ratio
is the driver's jobs per second by the hand loop's; CPU is that of the whole process. The machine's speed drifts, so
trust the ratios, of which the median of the rounds is printed, and CPU per job.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from asyncq.clock import SYSTEM_CLOCK
from asyncq.config import Connection
from asyncq.drivers import sql
from asyncq.drivers.sqlite import SqliteDriver
from asyncq.payload import Done, Envelope, Settlement

BODY = b'{"v":1,"at":1700000000.0}\n' + b'{"to":"somebody@example.org","subject":"' + b"x" * 280 + b'"}'
CLAIM = """
UPDATE asyncq_jobs SET token = ?, lease_until = ? WHERE seq IN (
    SELECT seq FROM asyncq_jobs WHERE queue = ? AND token IS NULL AND crashes < 2 AND due <= ? ORDER BY due, id LIMIT ?)
RETURNING id, body
"""
DELETE = "DELETE FROM asyncq_jobs WHERE id = ? AND token = ?"
INSERT = "INSERT INTO asyncq_jobs (id, queue, name, due, body) VALUES (?, 'default', 'app:Work', ?, ?)"


@dataclass(frozen=True, slots=True)
class Measure:
    """One timed run."""

    jobs: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """Jobs per second."""
        return self.jobs / self.seconds

    @property
    def cost(self) -> float:
        """Microseconds of CPU per job."""
        return self.cpu / self.jobs * 1e6


async def timed(jobs: int, body: Callable[[], Awaitable[None]]) -> Measure:
    cpu, start = time.process_time(), time.perf_counter()
    await body()
    return Measure(jobs, time.perf_counter() - start, time.process_time() - cpu)


def envelopes(jobs: int) -> list[Envelope]:
    run = secrets.token_hex(4)
    return [Envelope(f"{run}-{number:08}", "default", "app:Work", BODY) for number in range(jobs)]


# --- by hand ----------------------------------------------------------------------------------------------------------


def open_by_hand(path: Path, synchronous: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA secure_delete = OFF")
    for statements in sql.versions(sql.load("asyncq.drivers.sqlite", "schema.sql")).values():
        for statement in statements:
            connection.execute(statement)
    return connection


def push_by_hand(connection: sqlite3.Connection, jobs: int, group: int) -> None:
    run, due = secrets.token_hex(4), time.time_ns() // 1000
    rows = [(f"{run}-{number:08}", due, BODY) for number in range(jobs)]
    for start in range(0, jobs, group):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERT, rows[start : start + group])
        connection.execute("COMMIT")


def work_by_hand(connection: sqlite3.Connection, jobs: int, width: int) -> None:
    ended: list[tuple[str, str]] = []
    done = 0
    while done < jobs:
        token, now = secrets.token_hex(16), time.time_ns() // 1000
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(DELETE, ended)
        rows = connection.execute(CLAIM, (token, now + 30_000_000, "default", now, width)).fetchall()
        connection.execute("COMMIT")
        done += len(ended)
        ended = [(id, token) for id, _ in rows]


# --- by the driver ----------------------------------------------------------------------------------------------------


async def push_by_driver(driver: SqliteDriver, jobs: int, group: int) -> None:
    ready = envelopes(jobs)
    for start in range(0, jobs, group):
        await driver.push(ready[start : start + group])


async def push_at_once(driver: SqliteDriver, jobs: int, tasks: int) -> None:
    """Let so many tasks push one job after the other; the driver puts their calls into shared commits."""
    ready = iter(envelopes(jobs))

    async def one() -> None:
        for envelope in ready:
            await driver.push([envelope])

    async with asyncio.TaskGroup() as group:
        for _ in range(tasks):
            group.create_task(one())


async def work_by_driver(driver: SqliteDriver, jobs: int, width: int) -> None:
    ended: list[Settlement] = []
    done, outcome = 0, Done()
    while done < jobs:
        stale, reserved = await driver.turn(ended, ["default"], limit=width)
        assert not stale
        done += len(ended)
        ended = [Settlement(held, outcome) for held in reserved.items]


# --- side by side -----------------------------------------------------------------------------------------------------

Pair = tuple[Measure, Measure]


async def compare(directory: Path, synchronous: str, jobs: int) -> dict[str, Pair]:
    """Run each workload by hand and by the driver, one after the other, on two fresh files."""
    few = max(500, jobs // 10)
    found: dict[str, Pair] = {}
    connection = open_by_hand(directory / f"hand-{secrets.token_hex(4)}.db", synchronous)
    url = f"sqlite:///{directory}/driver-{secrets.token_hex(4)}.db"
    async with SqliteDriver(Connection(url, synchronous=synchronous).settings("main"), SYSTEM_CLOCK) as driver:

        async def hand(body: Callable[[], None]) -> None:
            body()

        async def pair(name: str, count: int, by_hand: Callable[[], None], body: Callable[[], Awaitable[None]]) -> None:
            found[name] = (await timed(count, lambda: hand(by_hand)), await timed(count, body))

        await pair("push one", few, lambda: push_by_hand(connection, few, 1), lambda: push_by_driver(driver, few, 1))
        await pair("work K=1", few, lambda: work_by_hand(connection, few, 1), lambda: work_by_driver(driver, few, 1))
        await pair(
            "push 50 tasks", few, lambda: push_by_hand(connection, few, 50), lambda: push_at_once(driver, few, 50)
        )
        await pair("(drain)", few, lambda: work_by_hand(connection, few, 50), lambda: work_by_driver(driver, few, 50))
        await pair(
            "push bulk 1000",
            jobs,
            lambda: push_by_hand(connection, jobs, 1000),
            lambda: push_by_driver(driver, jobs, 1000),
        )
        await pair(
            "work K=50", jobs, lambda: work_by_hand(connection, jobs, 50), lambda: work_by_driver(driver, jobs, 50)
        )
    connection.close()
    return found


def show(synchronous: str, rounds: list[dict[str, Pair]]) -> None:
    print(f"\nsynchronous={synchronous}")
    print(f"{'':16}{'hand/s':>10}{'driver/s':>10}{'ratio':>8}{'hand µs':>10}{'driver µs':>11}  (CPU per job)")
    for name in rounds[0]:
        pairs = [found[name] for found in rounds]
        ratio = statistics.median(driver.rate / hand.rate for hand, driver in pairs)
        hand = statistics.median(hand.rate for hand, _ in pairs), statistics.median(hand.cost for hand, _ in pairs)
        ours = statistics.median(ours.rate for _, ours in pairs), statistics.median(ours.cost for _, ours in pairs)
        print(f"{name:16}{hand[0]:10,.0f}{ours[0]:10,.0f}{ratio:8.2f}{hand[1]:10.1f}{ours[1]:11.1f}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--directory", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.directory) as directory:
        for synchronous in ("NORMAL", "FULL"):
            rounds = [asyncio.run(compare(Path(directory), synchronous, given.jobs)) for _ in range(given.rounds)]
            show(synchronous, rounds)


if __name__ == "__main__":
    main()
