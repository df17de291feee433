"""The limit: a loop written by hand on asyncpg, which does the work and nothing else.

One statement deletes what ended meanwhile and claims jobs for the free slots; a job is a task with `asyncio.timeout`;
its lease is a column, which nobody keeps alive or looks at. A push notifies; a worker with nothing to do listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, ClassVar

import asyncpg
import orjson

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main

WAIT = 5
PUSHERS = 10
"""Connections that push at once; a push waits for its commit, so that one of them would leave the server idle."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS hand_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    leased_until timestamptz,
    body bytea NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS hand_waiting ON hand_jobs (id) WHERE leased_until IS NULL;
"""
PUSH = "WITH one AS (INSERT INTO hand_jobs (body) VALUES ($1)) SELECT pg_notify('hand', '')"
PUSH_ALL = "WITH all_ AS (INSERT INTO hand_jobs (body) SELECT unnest($1::bytea[])) SELECT pg_notify('hand', '')"
TURN = """
WITH ended AS (DELETE FROM hand_jobs WHERE id = ANY ($1::bigint[]))
UPDATE hand_jobs SET leased_until = now() + interval '30 seconds'
WHERE id = ANY (ARRAY (
    SELECT id FROM hand_jobs WHERE leased_until IS NULL ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
))
RETURNING id, body
"""


class Hand(Contender):
    """The hand loop, and pushes by hand."""

    pushes_in_bulk: ClassVar[bool] = True

    def __init__(self, url: str, tally: Tally) -> None:
        super().__init__(url, tally)
        self.pool: Any = asyncpg.create_pool(url, min_size=PUSHERS, max_size=PUSHERS, reset=_as_it_is)

    async def __aenter__(self) -> Hand:
        await self.pool
        await self.pool.execute(SCHEMA)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pool.close()

    async def push(self, job: JobName, value: float) -> None:
        await self.pool.execute(PUSH, _body(job, value))

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        await self.pool.execute(PUSH_ALL, [_body(job, value) for value in values])

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        connection = await asyncpg.connect(self.url)
        loop = asyncio.create_task(Loop(connection, self.tally).run())
        yield
        loop.cancel()
        with suppress(asyncio.CancelledError):
            await loop
        await connection.close()


async def _as_it_is(connection: object) -> None:
    """Nothing here changes a session, so that no statement has to restore it."""


def _body(job: JobName, value: float) -> bytes:
    return orjson.dumps({"name": job, "value": value})


class Loop:
    """One statement in flight; what ended while it was under way is settled by the next."""

    def __init__(self, connection: Any, tally: Tally) -> None:
        self.connection, self.tally = connection, tally
        self.ended: list[int] = []
        self.running: set[asyncio.Task[None]] = set()
        self.something_ended = asyncio.Event()
        self.something_came = asyncio.Event()

    async def run(self) -> None:
        """Take turns until cancelled."""
        await self.connection.add_listener("hand", lambda *_: self.something_came.set())
        self.turn = await self.connection.prepare(TURN)
        while True:
            self.something_came.clear()
            taken = await self._turn()
            for id, body in taken:
                self._start(id, body)
            if self.running:
                await self.something_ended.wait()
            elif not taken and not self.ended:
                await self._wait()
            self.something_ended.clear()

    async def _turn(self) -> list[tuple[int, bytes]]:
        ended, self.ended = self.ended, []
        taken: list[tuple[int, bytes]] = await self.turn.fetch(ended, SLOTS - len(self.running))
        return taken

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT):
                await self.something_came.wait()

    def _start(self, id: int, body: bytes) -> None:
        task = asyncio.create_task(self._job(id, body))
        self.running.add(task)
        task.add_done_callback(self._over)

    async def _job(self, id: int, body: bytes) -> None:
        async with asyncio.timeout(60):
            await self._handle(orjson.loads(body))
        self.ended.append(id)

    async def _handle(self, job: dict[str, Any]) -> None:
        if job["name"] == "nap":
            await self.tally.nap(job["value"])
        elif job["name"] == "noop":
            self.tally.noop(job["value"])
        else:
            self.tally.ping(job["value"])

    def _over(self, task: asyncio.Task[None]) -> None:
        self.running.discard(task)
        self.something_ended.set()


if __name__ == "__main__":
    main(Hand)
