"""How long a driver takes to reserve, in a queue that keeps its length."""

from __future__ import annotations

import itertools
import secrets
import statistics
import time
from collections.abc import Iterator

from asyncq.contracts import Driver
from asyncq.payload import Done, Envelope, Settlement

__all__ = ["BULK", "Queue", "named"]

BULK, WIDTH, TURNS, WARM_UP = 1_000, 50, 300, 20
BODY = b'{"v":1,"at":1700000000.0}\n' + b'{"to":"somebody@example.org","subject":"' + b"x" * 280 + b'"}'


class Queue:
    """One queue of a driver, and the jobs that go through it."""

    def __init__(self, driver: Driver, name: str, *, due_at: float | None = None) -> None:
        self.driver, self.name = driver, name
        self.fresh = self._envelopes(due_at)

    def _envelopes(self, due_at: float | None) -> Iterator[Envelope]:
        run = secrets.token_hex(4)
        due = {} if due_at is None else {"due_at": due_at}
        return (Envelope(f"{run}-{number:08}", self.name, "app:Work", BODY, **due) for number in itertools.count())

    async def push(self, jobs: int) -> None:
        """Add so many jobs."""
        for start in range(0, jobs, BULK):
            await self.driver.push(list(itertools.islice(self.fresh, min(BULK, jobs - start))))

    async def reserve(self, width: int = WIDTH) -> float:
        """Return how many ms it took to reserve; what it gave is settled."""
        start = time.perf_counter()
        reserved = await self.driver.reserve([self.name], limit=width)
        took = 1e3 * (time.perf_counter() - start)
        if len(reserved.items) != width:
            raise SystemExit(f"{len(reserved.items)} jobs of {self.name} came instead of {width}")
        await self.driver.settle([Settlement(held, Done()) for held in reserved.items])
        return took

    async def turn(self) -> float:
        """Reserve, and replace what was taken, so that the queue keeps its length."""
        took = await self.reserve()
        await self.push(WIDTH)
        return took

    async def turns(self) -> list[float]:
        """Return what many reserves took, in ms, once it is warm."""
        return [await self.turn() for _ in range(WARM_UP + TURNS)][WARM_UP:]


def named(name: str, took: list[float]) -> dict[str, float]:
    """The median and the longest but one in a hundred, as figures."""
    ordered = sorted(took)
    return {f"{name}_p50_ms": statistics.median(ordered), f"{name}_p99_ms": ordered[int(len(ordered) * 0.99) - 1]}
