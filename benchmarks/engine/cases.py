"""The measured cases; each runs in a process of its own and prints one JSON object.

python -m benchmarks.engine.cases CASE JOBS [SYNCHRONOUS]
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncq import AsyncQ, Connection, Job, dispatch_many
from asyncq.worker.process import calm_collector

CONCURRENCY = 50
BODY = b'{"v":1,"name":"bench:Noop","at":1700000000.0}\n{"number":12345}'


class Noop(Job, name="bench:Noop"):
    """Does nothing, and counts that it did."""

    number: int

    async def handle(self) -> None:
        """Note the number."""
        SEEN.append(self.number)


class Ping(Job, name="bench:Ping"):
    """Notes how long it was on its way."""

    sent_at: float

    async def handle(self) -> None:
        """Note the latency in ms."""
        LATENCIES.append(1e3 * (time.perf_counter() - self.sent_at))


SEEN: list[int] = []
LATENCIES: list[float] = []
Figures = dict[str, float]


@contextmanager
def measured(jobs: int, figures: Figures) -> Iterator[None]:
    """Add jobs per second, and µs of this process's CPU per job."""
    cpu, start = time.process_time(), time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    figures["rate"] = jobs / seconds
    figures["cpu_us"] = (time.process_time() - cpu) / jobs * 1e6


async def noop() -> None:
    """The hand loop's job."""


async def timed_noop() -> None:
    """It, with a timeout around it."""
    async with asyncio.timeout(60):
        await noop()


async def hand_tasks(jobs: int, folder: Path, synchronous: str) -> Figures:
    """The task part of a hand loop: a task and `asyncio.timeout` for each job, 50 at once."""
    figures: Figures = {}
    loop = asyncio.get_running_loop()
    with measured(jobs, figures):
        for _ in range(jobs // CONCURRENCY):
            tasks = [loop.create_task(timed_noop()) for _ in range(CONCURRENCY)]
            await asyncio.wait(tasks)
    return figures


async def hand_sqlite(jobs: int, folder: Path, synchronous: str) -> Figures:
    """A hand loop on SQLite: one transaction deletes the finished and claims for the free slots."""
    base = sqlite3.connect(folder / "hand.db", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute(f"PRAGMA synchronous={synchronous}")
    base.execute("CREATE TABLE jobs (id INTEGER PRIMARY KEY, due INTEGER, token TEXT, body BLOB)")
    base.execute("CREATE INDEX waiting ON jobs (due, id) WHERE token IS NULL")
    base.execute("BEGIN")
    base.executemany("INSERT INTO jobs VALUES (?, 0, NULL, ?)", [(number, BODY) for number in range(jobs)])
    base.execute("COMMIT")
    figures: Figures = {}
    with measured(jobs, figures):
        await _drain_by_hand(base)
    return figures


async def _drain_by_hand(base: sqlite3.Connection) -> None:
    loop, finished = asyncio.get_running_loop(), list[tuple[int]]()
    while True:
        base.execute("BEGIN IMMEDIATE")
        base.executemany("DELETE FROM jobs WHERE id = ? AND token = 't'", finished)
        claimed = base.execute(
            "UPDATE jobs SET token = 't' WHERE id IN "
            "(SELECT id FROM jobs WHERE token IS NULL ORDER BY due, id LIMIT 50) RETURNING id, body"
        ).fetchall()
        base.execute("COMMIT")
        if not claimed:
            return
        await asyncio.wait([loop.create_task(timed_noop()) for _ in claimed])
        finished = [(number,) for number, _ in claimed]


def _url(kind: str, folder: Path, synchronous: str) -> Connection:
    return Connection(
        "memory://bench" if kind == "memory" else f"sqlite:///{folder}/queue.db?synchronous={synchronous}"
    )


async def _worked(kind: str, jobs: int, folder: Path, synchronous: str) -> Figures:
    figures: Figures = {}
    async with AsyncQ(_url(kind, folder, synchronous)) as app:
        for start in range(0, jobs, 1000):
            await dispatch_many([Noop(number=number) for number in range(start, start + 1000)])
        calm_collector()  # as `asyncq work` does in its process
        with measured(jobs, figures):
            async with app.worker(concurrency=CONCURRENCY, grace=5):
                while len(SEEN) < jobs:
                    await asyncio.sleep(0.005)
    if sorted(SEEN) != list(range(jobs)):
        raise SystemExit("a job was lost, or ran twice")
    return figures


async def worked_memory(jobs: int, folder: Path, synchronous: str) -> Figures:
    """asyncq on memory: preloaded jobs that do nothing."""
    return await _worked("memory", jobs, folder, synchronous)


async def worked_sqlite(jobs: int, folder: Path, synchronous: str) -> Figures:
    """asyncq on SQLite: the same."""
    return await _worked("sqlite", jobs, folder, synchronous)


async def enqueue(jobs: int, folder: Path, synchronous: str) -> Figures:
    """Dispatches per second on SQLite: one after the other, 50 at once, and in bulk."""
    figures: Figures = {}
    async with AsyncQ(_url("sqlite", folder, synchronous)):
        start = time.perf_counter()
        for number in range(jobs // 10):
            await Noop(number=number).dispatch()
        figures["one"] = jobs / 10 / (time.perf_counter() - start)
        start = time.perf_counter()
        for first in range(0, jobs // 2, 50):
            await asyncio.gather(*(Noop(number=first + n).dispatch() for n in range(50)))
        figures["together"] = jobs / 2 / (time.perf_counter() - start)
        start = time.perf_counter()
        for first in range(0, jobs, 1000):
            await dispatch_many([Noop(number=first + n) for n in range(1000)])
        figures["bulk"] = jobs / (time.perf_counter() - start)
    return figures


async def latency(jobs: int, folder: Path, synchronous: str) -> Figures:
    """From dispatch to handler in an idle worker of the same process, ms."""
    async with AsyncQ(_url("sqlite", folder, synchronous)) as app, app.worker(concurrency=CONCURRENCY):
        for number in range(min(jobs, 300)):
            await Ping(sent_at=time.perf_counter()).dispatch()
            while len(LATENCIES) <= number:
                await asyncio.sleep(0.001)
    ordered = sorted(LATENCIES)
    return {"p50_ms": statistics.median(ordered), "p99_ms": ordered[int(len(ordered) * 0.99) - 1]}


async def idle(jobs: int, folder: Path, synchronous: str) -> Figures:
    """What a worker costs that has nothing to do: ms of CPU a second, MB resident."""
    from asyncq.worker.ending import resident_mb

    async with AsyncQ(_url("sqlite", folder, synchronous)) as app, app.worker(concurrency=CONCURRENCY):
        await Noop(number=1).dispatch()
        await asyncio.sleep(2)
        cpu, start = time.process_time(), time.perf_counter()
        await asyncio.sleep(10)
        spent = (time.process_time() - cpu) / (time.perf_counter() - start)
    return {"cpu_ms_per_s": 1e3 * spent, "resident_mb": resident_mb()}


async def flat_memory(jobs: int, folder: Path, synchronous: str) -> Figures:
    """Resident size after the first tenth of the jobs, and after all of them."""
    return await _flat("memory", jobs, folder, synchronous)


async def flat_sqlite(jobs: int, folder: Path, synchronous: str) -> Figures:
    """The same on SQLite."""
    return await _flat("sqlite", jobs, folder, synchronous)


async def _flat(kind: str, jobs: int, folder: Path, synchronous: str) -> Figures:
    from asyncq.worker.ending import resident_mb

    figures: Figures = {}
    async with AsyncQ(_url(kind, folder, synchronous)) as app, app.worker(concurrency=CONCURRENCY):
        for first in range(0, jobs, 1000):
            SEEN.clear()
            await dispatch_many([Noop(number=first + n) for n in range(1000)])
            while len(SEEN) < 1000:
                await asyncio.sleep(0.001)
            if first == jobs // 10:
                figures["tenth_mb"] = resident_mb()
        figures["all_mb"] = resident_mb()
    return figures


CASES: dict[str, Callable[[int, Path, str], Coroutine[Any, Any, Figures]]] = {
    case.__name__: case
    for case in (
        hand_tasks,
        hand_sqlite,
        worked_memory,
        worked_sqlite,
        enqueue,
        latency,
        idle,
        flat_memory,
        flat_sqlite,
    )
}


def main() -> None:
    """Run one case and print its figures."""
    name, jobs, synchronous = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or ["NORMAL"])[0]
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(CASES[name](jobs, Path(folder), synchronous))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
