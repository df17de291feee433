"""Jobs that failed for good."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import MICRO, micros
from asyncq.drivers.postgres.texts import unstored
from asyncq.drivers.postgres.wire import as_json, failed_fields
from asyncq.records import FailedJob, FailedPage

__all__ = ["PostgresFailed"]


class PostgresFailed:
    """Failed jobs, for all who share the schema."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def add(self, jobs: Sequence[FailedJob], /) -> None:
        """Keep the jobs; a later record of the same id replaces the earlier one."""
        if jobs:
            await self._link.run("failed_add", as_json([failed_fields(job) for job in jobs]))

    async def get(self, ids: Sequence[str], /) -> Sequence[FailedJob]:
        """Return the records among these ids, in their order."""
        jobs = {job.id: job for job in map(_job, await self._link.run("failed_get", list(ids)))}
        return [jobs[id] for id in ids if id in jobs]

    async def page(
        self, /, *, queue: str | None = None, name: str | None = None, limit: int = 50, offset: int = 0
    ) -> FailedPage:
        """List records, newest first."""
        rows = await self._link.run("failed_page", queue, name, limit, offset)
        total = await self._link.run("failed_total", queue, name)
        return FailedPage(tuple(map(_job, rows)), total[0][0])

    async def remove(self, ids: Sequence[str], /, *, until: float | None = None) -> int:
        """Forget records, with `until` those that failed by then; returns how many there were."""
        last = micros(float("inf") if until is None else until)
        return len(await self._link.once("failed_remove", list(ids), last))

    async def prune(self, /, *, older: float) -> int:
        """Forget records that failed more than so many seconds ago; returns how many."""
        return len(await self._link.once("failed_prune", micros(older)))


def _job(row: Any) -> FailedJob:
    id, connection, queue, name, body, error, trace, at, attempts, exceptions, crashes, group, tags = row
    known = tuple(json.loads(tags)) if tags else ()
    return FailedJob(
        id, connection, queue, name, body, error, trace, at / MICRO, attempts, exceptions, crashes,
        group and unstored(group), known,
    )  # fmt: skip
