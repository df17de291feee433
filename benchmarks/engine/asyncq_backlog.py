"""How long the Redis driver takes to reserve 50 jobs where few are waiting, and where very many are.

python -m benchmarks.engine.asyncq_backlog URL JOBS
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import statistics
import sys
import time
from collections.abc import Iterator

from asyncq import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.payload import Done, Envelope, Settlement

FEW, BULK, WIDTH, TURNS = 1_000, 1_000, 50, 300
WARM_UP = 20
BODY = b'{"v":1,"at":1700000000.0}\n' + b'{"to":"somebody@example.org","subject":"' + b"x" * 280 + b'"}'


async def measure(url: str, jobs: int) -> dict[str, float]:
    """Measure above a short backlog, then above a long one."""
    figures: dict[str, float] = {}
    fresh = _envelopes()
    async with connect(Connection(f"{url}?prefix=bench")) as driver:
        await _push(driver, fresh, FEW)
        figures |= _named("short", await _reserves(driver, fresh))
        await _push(driver, fresh, jobs - FEW)
        figures |= _named("long", await _reserves(driver, fresh))
    return figures


def _envelopes() -> Iterator[Envelope]:
    run = secrets.token_hex(4)
    return (Envelope(f"{run}-{number:08}", "default", "app:Work", BODY) for number in itertools.count())


async def _push(driver: Driver, fresh: Iterator[Envelope], jobs: int) -> None:
    for start in range(0, jobs, BULK):
        await driver.push(list(itertools.islice(fresh, min(BULK, jobs - start))))


async def _reserves(driver: Driver, fresh: Iterator[Envelope]) -> list[float]:
    """Return what each call took, in ms; what it took is settled and replaced, so that the backlog keeps its length."""
    took: list[float] = []
    for _ in range(WARM_UP + TURNS):
        start = time.perf_counter()
        reserved = await driver.reserve(["default"], limit=WIDTH)
        took.append(1e3 * (time.perf_counter() - start))
        if len(reserved.items) != WIDTH:
            raise SystemExit(f"{len(reserved.items)} jobs came instead of {WIDTH}")
        await driver.settle([Settlement(held, Done()) for held in reserved.items])
        await _push(driver, fresh, WIDTH)
    return took[WARM_UP:]


def _named(name: str, took: list[float]) -> dict[str, float]:
    ordered = sorted(took)
    return {f"{name}_p50_ms": statistics.median(ordered), f"{name}_p99_ms": ordered[int(len(ordered) * 0.99) - 1]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], int(sys.argv[2])))))
