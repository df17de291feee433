"""What happens when very many delayed jobs become due at one instant: to their queue, and to another one.

python -m benchmarks.engine.asyncq_due URL JOBS
"""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import sys
import time
from collections.abc import Iterator

import redis.asyncio

from asyncq import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.payload import Done, Envelope, Settlement

BULK, WIDTH, TURNS, WARM_UP = 1_000, 50, 300, 20
SLOW_US = 2_000
"""Commands that took longer are in the server's slow log, whose longest entry we read."""
BODY = b'{"v":1,"at":1700000000.0}\n{"to":"somebody@example.org"}'


async def measure(url: str, jobs: int) -> dict[str, float]:
    """Measure reserves before the instant, and after it in both queues."""
    run, number = secrets.token_hex(4), itertools.count()
    async with connect(Connection(f"{url}?prefix=bench")) as driver, redis.asyncio.Redis.from_url(url) as server:
        due_at = time.time() + 5 + jobs / 10_000
        crowd = (Envelope(f"{run}-{next(number):08}", "crowd", "app:Work", BODY, due_at=due_at) for _ in range(jobs))
        for _ in range(0, jobs, BULK):
            await driver.push(list(itertools.islice(crowd, BULK)))
        others = (Envelope(f"{run}-{n:08}", "other", "app:Work", BODY) for n in number)
        await driver.push(list(itertools.islice(others, BULK)))
        before = await _reserves(driver, "other", others)
        await asyncio.sleep(max(0.0, due_at - time.time()))
        await server.config_set("slowlog-log-slower-than", SLOW_US)
        await server.slowlog_reset()
        crowded, other = await _both(driver, others)
        longest = max((entry["duration"] for entry in await server.slowlog_get(128)), default=SLOW_US)
    return {
        "before_p99_ms": _p99(before),
        "crowd_p99_ms": _p99(crowded),
        "other_p99_ms": _p99(other),
        "script_ms": longest / 1e3,
    }


async def _both(driver: Driver, others: Iterator[Envelope]) -> tuple[list[float], list[float]]:
    """Reserve from both in turn, as a worker that reads both does."""
    crowded: list[float] = []
    other: list[float] = []
    for _ in range(TURNS):
        crowded.append(await _reserve(driver, "crowd"))
        other.append(await _reserve(driver, "other"))
        await driver.push(list(itertools.islice(others, WIDTH)))
    return crowded, other


async def _reserves(driver: Driver, queue: str, fresh: Iterator[Envelope]) -> list[float]:
    took: list[float] = []
    for _ in range(WARM_UP + TURNS):
        took.append(await _reserve(driver, queue))
        await driver.push(list(itertools.islice(fresh, WIDTH)))
    return took[WARM_UP:]


async def _reserve(driver: Driver, queue: str) -> float:
    """Return how many ms it took to reserve; what it gave is settled."""
    start = time.perf_counter()
    reserved = await driver.reserve([queue], limit=WIDTH)
    took = 1e3 * (time.perf_counter() - start)
    if len(reserved.items) != WIDTH:
        raise SystemExit(f"{len(reserved.items)} jobs of {queue} came instead of {WIDTH}")
    await driver.settle([Settlement(held, Done()) for held in reserved.items])
    return took


def _p99(took: list[float]) -> float:
    return sorted(took)[int(len(took) * 0.99) - 1]


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1], int(sys.argv[2])))))
