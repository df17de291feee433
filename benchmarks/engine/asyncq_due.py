"""What happens when very many delayed jobs become due at one instant: to their queue, and to another one.

python -m benchmarks.engine.asyncq_due URL JOBS; `sqlite://` is a file of its own.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from benchmarks.engine import place, slowest
from benchmarks.engine.reserves import BULK, TURNS, Queue, named


async def measure(url: str, jobs: int) -> dict[str, float]:
    """Measure reserves before the instant, and after it in both queues."""
    async with place.opened(url) as driver:
        due_at = time.time() + 5 + jobs / 10_000
        crowd, other = Queue(driver, "crowd", due_at=due_at), Queue(driver, "other")
        await crowd.push(jobs)
        await other.push(BULK)
        before = await other.turns()
        await asyncio.sleep(max(0.0, due_at - time.time()))
        slowest.watch(url)
        # In turn, as a worker that reads both does.
        pairs = [(await crowd.reserve(), await other.turn()) for _ in range(TURNS)]
        longest = slowest.longest_ms(url)
    crowded, others = ([pair[place] for pair in pairs] for place in (0, 1))
    return named("before", before) | named("crowd", crowded) | named("other", others) | {"longest_ms": longest}


if __name__ == "__main__":
    with place.private(sys.argv[1]) as settled:
        print(json.dumps(asyncio.run(measure(settled, int(sys.argv[2])))))
