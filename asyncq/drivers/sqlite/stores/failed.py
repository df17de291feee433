"""Jobs that failed for good."""

from __future__ import annotations

import json
from collections.abc import Sequence

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.records import FailedJob, FailedPage

__all__ = ["SqliteFailed", "add"]


def add(step: Step, jobs: Sequence[FailedJob]) -> None:
    """Keep the jobs; a later record of the same id replaces the earlier one."""
    step.each("stores.failed_add", [_row(job, step.now) for job in jobs])


class SqliteFailed:
    """Failed jobs, for all processes of one host."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, jobs: Sequence[FailedJob], /) -> None:
        """Keep the jobs."""
        given = tuple(jobs)
        await self._database.write(lambda step: add(step, given))

    async def get(self, ids: Sequence[str], /) -> Sequence[FailedJob]:
        """Return the records among these ids, in their order."""
        asked = json.dumps(list(ids))
        rows = await self._database.read(lambda step: step.rows("stores.failed_get", (asked,)))
        jobs = {row[0]: _job(row) for row in rows}
        return [jobs[id] for id in ids if id in jobs]

    async def page(
        self, /, *, queue: str | None = None, name: str | None = None, limit: int = 50, offset: int = 0
    ) -> FailedPage:
        """List records, newest first."""
        asked = {"queue": queue, "name": name, "limit": limit, "offset": offset}

        def work(step: Step) -> FailedPage:
            rows = step.rows("stores.failed_page", asked)
            total = step.row("stores.failed_total", {"queue": queue, "name": name}) or (0,)
            return FailedPage(tuple(map(_job, rows)), total[0])

        return await self._database.read(work)

    async def remove(self, ids: Sequence[str], /, *, until: float | None = None) -> int:
        """Forget records, with `until` those that failed by then; returns how many there were."""
        last = micros(float("inf") if until is None else until)
        rows = [(id, last) for id in ids]
        return sum(await self._database.write(lambda step: step.each("stores.failed_remove", rows)))

    async def prune(self, /, *, older: float) -> int:
        """Forget records that failed more than so many seconds ago; returns how many."""
        return await self._database.write(
            lambda step: step.run("stores.failed_prune", (step.now - micros(older),)).rowcount
        )


def _row(job: FailedJob, now: int) -> Row:
    return (
        job.id,
        job.connection,
        job.queue,
        job.name,
        job.body,
        job.error,
        job.traceback,
        micros(job.failed_at) or now,
        job.attempts,
        job.exceptions,
        job.crashes,
        job.group,
        json.dumps(job.tags) if job.tags else None,
    )


def _job(row: Row) -> FailedJob:
    id, connection, queue, name, body, error, trace, at, attempts, exceptions, crashes, group, tags = row
    known = tuple(json.loads(tags)) if tags else ()
    return FailedJob(
        id, connection, queue, name, body, error, trace, at / MICRO, attempts, exceptions, crashes, group, known
    )
