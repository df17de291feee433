"""Jobs that failed for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from asyncq.drivers.redis.micros import MICRO, micros
from asyncq.drivers.redis.settling import failed_fields
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.outbox import unpack
from asyncq.records import FailedJob, FailedPage, OutboxRow

__all__ = ["RedisFailed"]


class RedisFailed:
    """Failed jobs, with an index by instant for each queue and each name."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def add(self, jobs: Sequence[FailedJob], /) -> None:
        """Keep the jobs; a later record of the same id replaces the earlier one."""
        if jobs:
            await self._shelf.run("failed_add", [field for job in jobs for field in failed_fields(job)])

    async def get(self, ids: Sequence[str], /) -> Sequence[FailedJob]:
        """Return the records among these ids, in their order."""
        if not ids:
            return []
        found = await self._shelf.link.command("HMGET", f"{self._shelf.keys.root}failed", *ids)
        return [_job(text) for text in found if text is not None]

    async def page(
        self, /, *, queue: str | None = None, name: str | None = None, limit: int = 50, offset: int = 0
    ) -> FailedPage:
        """List records, newest first."""
        total, *found = await self._shelf.run("failed_page", [_index(queue, name), offset, limit])
        return FailedPage(tuple(map(_job, found)), total)

    async def remove(self, ids: Sequence[str], /, *, until: float | None = None) -> int:
        """Forget records, with `until` those that failed by then; returns how many there were."""
        return int(await self._shelf.run("failed_remove", ["" if until is None else micros(until), *ids]))

    async def prune(self, /, *, older: float) -> int:
        """Forget records that failed more than so many seconds ago; returns how many."""
        count = 0
        while gone := await self._shelf.run("failed_prune", [micros(older)]):
            count += gone
        return count


def _index(queue: str | None, name: str | None) -> str:
    if queue is not None and name is not None:
        return f"failed:qn:{queue}\n{name}"
    if queue is not None:
        return f"failed:q:{queue}"
    return "failed:at" if name is None else f"failed:n:{name}"


def _job(text: bytes) -> FailedJob:
    at, _, packed = text.partition(b"\n")
    job = cast(FailedJob, unpack(OutboxRow("", "failed", "", packed)))
    return replace(job, failed_at=int(at) / MICRO)
