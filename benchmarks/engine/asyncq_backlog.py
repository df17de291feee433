"""How long a driver takes to reserve 50 jobs where few are waiting, and where very many are.

python -m benchmarks.engine.asyncq_backlog URL JOBS; `sqlite://` is a file of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys

from benchmarks.engine import place
from benchmarks.engine.reserves import Queue, named

FEW = 1_000


async def measure(url: str, jobs: int) -> dict[str, float]:
    """Measure above a short backlog, then above a long one."""
    async with place.opened(url) as driver:
        queue = Queue(driver, "default")
        await queue.push(FEW)
        short = await queue.turns()
        await queue.push(jobs - FEW)
        return named("short", short) | named("long", await queue.turns())


if __name__ == "__main__":
    with place.private(sys.argv[1]) as settled:
        print(json.dumps(asyncio.run(measure(settled, int(sys.argv[2])))))
