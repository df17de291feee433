"""Results of jobs."""

from __future__ import annotations

from collections.abc import Sequence

from asyncq.drivers.sqlite.bell import result_topic
from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import micros
from asyncq.drivers.sqlite.step import Step
from asyncq.records import StoredResult

__all__ = ["SqliteResults", "put"]


def put(step: Step, result: StoredResult) -> None:
    """Keep a result."""
    step.run("stores.result_put", (result.id, result.ttl, step.now + micros(result.ttl), result.body))
    step.touched.add(result_topic(result.id))


class SqliteResults:
    """Results, for all processes of one host."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, result: StoredResult, /) -> None:
        """Keep a result; a later one of the same id replaces it."""
        await self._database.write(lambda step: put(step, result))

    async def get(self, id: str, /) -> StoredResult | None:
        """Return the result if it is still kept."""
        row = await self._database.read(lambda step: step.row("stores.result_get", (id, step.now)))
        return None if row is None else StoredResult(row[0], row[1], row[2])

    async def wait(self, id: str, /, *, timeout: float) -> StoredResult | None:
        """Return the result as soon as it is there, or None after `timeout` seconds."""

        def look(step: Step) -> int | None:
            return None if step.row("stores.result_get", (id, step.now)) is None else step.now

        await self._database.watch.until(look, [result_topic(id)], timeout)
        return await self.get(id)

    async def forget(self, ids: Sequence[str], /) -> None:
        """Forget these results."""
        rows = [(id,) for id in ids]
        await self._database.write(lambda step: step.each("stores.result_forget", rows))

    async def prune(self) -> int:
        """Forget results whose time is over; returns how many."""
        return await self._database.write(lambda step: step.run("stores.result_prune", (step.now,)).rowcount)
