"""Oban for Python on Postgres, as shipped; it needs Python 3.12.

It keeps done jobs until its pruner takes them. Its bulk acknowledgement and insert are not in the free package.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, ClassVar

import oban
from oban import schema

from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally
from benchmarks.rivals.workloads import main


class Oban(Contender):
    """One pool; an instance that only pushes, and one that works."""

    pushes_in_bulk: ClassVar[bool] = True

    def __init__(self, url: str, tally: Tally) -> None:
        super().__init__(url, tally)
        self.workers: dict[str, Any] = {handler.__name__: oban.worker()(handler) for handler in _handlers(tally)}

    async def __aenter__(self) -> Oban:
        self.pool = await oban.Oban.create_pool(self.url)
        async with self.pool.connection() as connection:
            found = await (await connection.execute("SELECT to_regclass('oban_jobs')")).fetchone()
        if found == (None,):
            await schema.install(self.pool)
        self.pushing = oban.Oban(pool=self.pool)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pool.close()

    async def push(self, job: JobName, value: float) -> None:
        await self.pushing.enqueue(self.workers[job].new({"value": value}))

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        await self.pushing.enqueue_many([self.workers[job].new({"value": value}) for value in values])

    @asynccontextmanager
    async def working(self, job: JobName) -> AsyncIterator[None]:
        async with oban.Oban(pool=self.pool, queues={"default": SLOTS}):
            yield


def _handlers(tally: Tally) -> list[type]:
    class noop:  # noqa: N801
        async def process(self, job: Any) -> None:
            tally.noop(job.args["value"])

    class nap:  # noqa: N801
        async def process(self, job: Any) -> None:
            await tally.nap(job.args["value"])

    class ping:  # noqa: N801
        async def process(self, job: Any) -> None:
            tally.ping(job.args["value"])

    return [noop, nap, ping]


if __name__ == "__main__":
    main(Oban)
