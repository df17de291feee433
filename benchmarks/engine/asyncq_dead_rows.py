"""How long a driver takes to reserve while a transaction that is left open keeps all dead rows from being removed.

python -m benchmarks.engine.asyncq_dead_rows URL JOBS [SECONDS]: so many jobs go through the queue meanwhile, each of
which leaves at least one dead row; then it is held until so many seconds have passed. `sqlite://` is a file of its own.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from urllib.parse import urlsplit

import asyncpg

from benchmarks.engine import place
from benchmarks.engine.reserves import BULK, Queue, named


async def measure(url: str, jobs: int, seconds: float) -> dict[str, float]:
    """Measure before that transaction begins, while it is open, and after its end."""
    async with place.opened(url) as driver:
        queue = Queue(driver, "default")
        await queue.push(BULK)
        figures = named("before", await queue.turns())
        async with _left_open(url):
            held_until = time.monotonic() + seconds
            for _ in range(0, jobs, BULK):
                await queue.push(BULK)
                await queue.reserve(BULK)
            await asyncio.sleep(max(0.0, held_until - time.monotonic()))
            figures |= named("held", await queue.turns())
        return figures | named("after", await queue.turns())


@asynccontextmanager
async def _left_open(url: str) -> AsyncIterator[None]:
    """Hold a transaction that has begun, has a number and a snapshot, and does nothing."""
    if urlsplit(url).scheme == "sqlite":
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            yield
        return
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()")
        yield
    finally:
        await connection.close()


def main() -> None:
    """Print the figures."""
    url, jobs, *seconds = sys.argv[1:]
    with place.private(url) as settled:
        print(json.dumps(asyncio.run(measure(settled, int(jobs), float((seconds or ["0"])[0])))))


if __name__ == "__main__":
    main()
