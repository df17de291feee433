"""What can be asked of a SQLite queue beside its work, and the ways to take a job out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from asyncq.drivers.sqlite import jobs
from asyncq.drivers.sqlite.database import Database
from asyncq.payload import Reservation
from asyncq.records import QueueSize, WaitingJob

__all__ = ["Inspection"]


class Inspection:
    """The half of the SQLite driver that commands and dashboards use."""

    _database: Database

    async def sizes(self, queues: Sequence[str], /) -> Mapping[str, QueueSize]:
        """Count the jobs of each queue asked for."""
        return await self._database.read(lambda step: {queue: jobs.size(step, queue) for queue in queues})

    async def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return the stored jobs among these ids."""
        return await self._database.read(lambda step: jobs.find(step, ids))

    async def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait; returns the ids that were forgotten."""
        return await self._database.write(lambda step: jobs.cancel(step, ids))

    async def free(self, reservation: Reservation, /) -> bool:
        """Free the unique key of a job that we hold; False where the reservation was stale."""
        return await self._database.write(lambda step: jobs.free(step, reservation))

    async def clear(self, queue: str, /) -> int:
        """Forget all jobs of the queue; returns how many."""
        return await self._database.write(lambda step: jobs.clear(step, queue))

    async def queues(self) -> Sequence[str]:
        """Return the names of all queues that hold a job, sorted."""
        return await self._database.read(jobs.queues)

    async def page(
        self, queue: str, state: Literal["ready", "delayed", "reserved"], /, *, limit: int = 50, offset: int = 0
    ) -> Sequence[WaitingJob]:
        """List jobs of one queue in one state, in the order in which they would be reserved."""
        span = {"limit": limit, "offset": offset}
        return await self._database.read(lambda step: jobs.page(step, queue, state, span))
