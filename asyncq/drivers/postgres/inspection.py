"""What can be asked of a queue in PostgreSQL beside its work, and the ways to take a job out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import MICRO
from asyncq.drivers.postgres.wire import waiting
from asyncq.payload import Reservation
from asyncq.records import QueueSize, WaitingJob

__all__ = ["Inspection"]


class Inspection:
    """The part of the PostgreSQL driver that commands and dashboards use."""

    _link: Link

    async def sizes(self, queues: Sequence[str], /) -> Mapping[str, QueueSize]:
        """Count the jobs of each queue asked for."""
        found: dict[str, QueueSize] = {}
        for queue, now, ready, delayed, held, oldest in await self._link.run("sizes", list(dict.fromkeys(queues))):
            age = None if oldest is None or oldest > now else (now - oldest) / MICRO
            found[queue] = QueueSize(ready, delayed, held, age)
        return {queue: found[queue] for queue in queues}

    async def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return the stored jobs among these ids."""
        return {job.id: job for job in waiting(await self._link.run("find", list(ids)))}

    async def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait; returns the ids that were forgotten."""
        gone = {row[0] for row in await self._link.once("cancel", list(ids))}
        return [id for id in dict.fromkeys(ids) if id in gone]

    async def free(self, reservation: Reservation, /) -> bool:
        """Free the unique key of a job that we hold; False where the reservation was stale."""
        return bool((await self._link.run("free", reservation.id, reservation.token))[0][0])

    async def clear(self, queue: str, /) -> int:
        """Forget all jobs of the queue; returns how many."""
        count = 0
        while gone := len(await self._link.once("clear", queue)):
            count += gone
        return count

    async def queues(self) -> Sequence[str]:
        """Return the names of all queues that hold a job, sorted."""
        return [row[0] for row in await self._link.run("queues")]

    async def page(
        self, queue: str, state: Literal["ready", "delayed", "reserved"], /, *, limit: int = 50, offset: int = 0
    ) -> Sequence[WaitingJob]:
        """List jobs of one queue in one state, in the order in which they would be reserved."""
        return waiting(await self._link.run(f"page_{state}", queue, limit, offset))
