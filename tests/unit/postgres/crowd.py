"""A crowd at one queue: clients that push, and workers that settle, all at once; it counts what came of each job."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from asyncq.config import Connection
from asyncq.contracts import Driver, Turning
from asyncq.drivers import connect
from asyncq.payload import Done, Effects, Envelope, Failed, Released, Reservation, Settlement
from asyncq.records import BatchRecord, BatchStrike
from asyncq.testing.conformance.jobs import failed_job, job, there, unique_job

__all__ = ["Crowd"]

QUEUES = ["high", "low"]
BATCHES = 5
KEYS = 20
CHUNK = 8


@dataclass
class Crowd:
    """`jobs` are pushed by `pushers`, a quarter of them under keys that they share, and ended by `workers`."""

    url: str
    jobs: int
    pushers: int = 3
    workers: int = 3
    refused: list[str] = field(default_factory=list[str])
    """Jobs whose key another one held."""
    ended: Counter[str] = field(default_factory=Counter[str])
    """How often the end of each job was taken."""
    failed: set[str] = field(default_factory=set[str])
    pushed: int = 0

    async def play(self) -> None:
        """Push all, and work until all have ended; whatever a call raises, this raises."""
        async with AsyncExitStack() as stack:
            drivers = [
                await stack.enter_async_context(connect(Connection(self.url)))
                for _ in range(self.pushers + self.workers)
            ]
            batches = there(drivers[0].stores.batches)
            for number in range(BATCHES):
                members = [f"job-{one}" for one in range(number, self.jobs, BATCHES)]
                await batches.create(BatchRecord(f"batch-{number}", allow_failures=True), members)
            async with asyncio.TaskGroup() as group:
                for number, driver in enumerate(drivers[: self.pushers]):
                    group.create_task(self._push(driver, number))
                for driver in drivers[self.pushers :]:
                    group.create_task(self._work(driver))

    async def look(self) -> dict[str, Any]:
        """Return what is left: jobs, members that no batch has counted, failed records."""
        async with connect(Connection(self.url)) as driver:
            sizes = await driver.sizes(QUEUES)
            page = await there(driver.stores.batches).page()
            failed = await there(driver.stores.failed).page(limit=self.jobs)
            return {
                "jobs": sum(size.total for size in sizes.values()),
                "pending": sum(batch.counts.pending for batch in page.items),
                "failed": {record.id for record in failed.items},
            }

    async def _push(self, driver: Driver, pusher: int) -> None:
        for start in range(pusher * CHUNK, self.jobs, CHUNK * self.pushers):
            numbers = range(start, min(start + CHUNK, self.jobs))
            answers = await driver.push([_envelope(number) for number in numbers])
            lost = [f"job-{number}" for number, answer in zip(numbers, answers, strict=True) if not answer.created]
            self.refused += lost
            await there(driver.stores.batches).strike([_strike(id) for id in lost])
            self.pushed += len(numbers)

    async def _work(self, driver: Driver) -> None:
        assert isinstance(driver, Turning)
        ends: list[Settlement] = []
        while ends or not self._over:
            stale, reserved = await driver.turn(ends, QUEUES, limit=CHUNK)
            assert not stale, "nobody else had them"
            for end in ends:
                self.ended[end.reservation.id] += not isinstance(end.outcome, Released)
            ends = [self._end(held) for held in reserved.items]
            if not ends:
                await asyncio.sleep(0.005)

    @property
    def _over(self) -> bool:
        return self.pushed == self.jobs and len(+self.ended) + len(self.refused) >= self.jobs + self._followers

    @property
    def _followers(self) -> int:
        """Jobs that others push when they end; one that was refused has none."""
        return sum(number % 11 == 0 for number in range(self.jobs)) - sum(
            int(id.partition("-")[2]) % 11 == 0 for id in self.refused
        )

    def _end(self, held: Reservation) -> Settlement:
        kind, _, text = held.id.partition("-")
        number = int(text)
        if kind == "next":
            return Settlement(held, Done())
        if number % 5 == 0 and held.attempt == 1:
            return Settlement(held, Released(0.0, "attempt"))
        follower = (job(f"next-{number}", queue="high"),) if number % 11 == 0 else ()
        if number % 13 == 0:
            self.failed.add(held.id)
            effects = Effects(push=follower, strike=_strike(held.id, failed=True), failed=failed_job(held.id))
            return Settlement(held, Failed(ValueError("no")), effects)
        return Settlement(held, Done(), Effects(push=follower, strike=_strike(held.id)))


def _envelope(number: int) -> Envelope:
    id, queue = f"job-{number}", QUEUES[number % 2]
    return unique_job(f"key-{number % KEYS}", id, queue=queue) if number % 4 == 0 else job(id, queue=queue)


def _strike(id: str, *, failed: bool = False) -> BatchStrike:
    return BatchStrike(f"batch-{int(id.partition('-')[2]) % BATCHES}", id, failed)
