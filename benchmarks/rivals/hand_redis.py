"""The limit: a loop written by hand on redis-py, which does the work and nothing else.

One script settles what ended meanwhile and takes jobs for the free slots; a job is a task with `asyncio.timeout`; its
lease is a row of a sorted set, which nobody keeps alive or looks at. `prefetch=50` keeps that many jobs at hand.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, ClassVar

import orjson
from redis.asyncio import Redis

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

LEASE = 30.0
WAIT = 5
JOBS, LEASES, BELL = "hand:jobs", "hand:leases", "hand:bell"
PUSH = """
redis.call('RPUSH', KEYS[1], unpack(ARGV))
if redis.call('LLEN', KEYS[2]) == 0 then redis.call('RPUSH', KEYS[2], 1) end
"""
TURN = """
if #ARGV > 2 then redis.call('ZREM', KEYS[2], unpack(ARGV, 3)) end
if ARGV[2] == '0' then return {} end
local taken = redis.call('LPOP', KEYS[1], ARGV[2])
if not taken then return {} end
local leases = {}
for place, body in ipairs(taken) do
    leases[2 * place - 1] = ARGV[1]
    leases[2 * place] = body
end
redis.call('ZADD', KEYS[2], unpack(leases))
return taken
"""


class Hand(Contender):
    """The hand loop, and pushes by hand."""

    pushes_in_bulk: ClassVar[bool] = True

    def __init__(self, url: str, tally: Tally, *, prefetch: int = 0) -> None:
        super().__init__(url, tally)
        self.prefetch = prefetch
        self.redis = Redis.from_url(url, socket_timeout=None)
        self.pushed = 0

    async def __aenter__(self) -> Hand:
        self.push_sha = await self.redis.script_load(PUSH)
        self.turn_sha = await self.redis.script_load(TURN)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.redis.aclose()

    async def push(self, job: JobName, value: float) -> None:
        await self.push_all(job, (value,))

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        first, self.pushed = self.pushed, self.pushed + len(values)
        bodies = [orjson.dumps({"id": first + n, "name": job, "value": value}) for n, value in enumerate(values)]
        await self.redis.evalsha(self.push_sha, 2, JOBS, BELL, *bodies)

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        loop = asyncio.create_task(Loop(self).run())
        yield
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop


class Loop:
    """One call in flight; what ended while it was under way is settled by the next."""

    def __init__(self, hand: Hand) -> None:
        self.redis, self.turn_sha, self.prefetch = hand.redis, hand.turn_sha, hand.prefetch
        self.tally = hand.tally
        self.at_hand: deque[bytes] = deque()
        self.ended: list[bytes] = []
        self.running: set[asyncio.Task[None]] = set()
        self.something_ended = asyncio.Event()

    async def run(self) -> None:
        """Take turns until cancelled."""
        while True:
            taken = await self._turn()
            self.at_hand.extend(taken)
            self._start()
            if self.running:
                await self.something_ended.wait()
            elif not taken and not self.ended:
                await self.redis.blpop([BELL], timeout=WAIT)
            self.something_ended.clear()

    async def _turn(self) -> list[bytes]:
        ended, self.ended = self.ended, []
        free = SLOTS + self.prefetch - len(self.running) - len(self.at_hand)
        taken: list[bytes] = await self.redis.evalsha(self.turn_sha, 2, JOBS, LEASES, time.time() + LEASE, free, *ended)
        return taken

    def _start(self) -> None:
        while self.at_hand and len(self.running) < SLOTS:
            task = asyncio.create_task(self._job(self.at_hand.popleft()))
            self.running.add(task)
            task.add_done_callback(self._over)

    async def _job(self, body: bytes) -> None:
        async with asyncio.timeout(60):
            await self._handle(orjson.loads(body))
        self.ended.append(body)

    async def _handle(self, job: dict[str, Any]) -> None:
        if job["name"] == "nap":
            await self.tally.nap(job["value"])
        elif job["name"] == "noop":
            self.tally.noop(job["value"])
        else:
            self.tally.ping(job["value"])

    def _over(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self._start()
        self.something_ended.set()


if __name__ == "__main__":
    main(Hand)
