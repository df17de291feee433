"""What can be asked of a Redis queue beside its work, and the ways to take a job out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from asyncq.drivers.redis.calls import call
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.micros import MICRO
from asyncq.drivers.redis.wire import waiting
from asyncq.payload import Reservation
from asyncq.records import QueueSize, WaitingJob

__all__ = ["Inspection"]


class Inspection:
    """The half of the Redis driver that commands and dashboards use."""

    _link: Link
    _keys: Keys

    async def sizes(self, queues: Sequence[str], /) -> Mapping[str, QueueSize]:
        """Count the jobs of each queue asked for."""
        found: dict[str, QueueSize] = {}
        for home, mine in self._keys.groups(queues).items():
            answer = await self._link.run(call("sizes", [home, *map(self._keys.base, mine)]))
            for place, queue in enumerate(mine):
                ready, delayed, reserved, age = answer[4 * place : 4 * place + 4]
                found[queue] = QueueSize(ready, delayed, reserved, None if age == b"-1" else int(age) / MICRO)
        return {queue: found[queue] for queue in queues}

    async def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return the stored jobs among these ids."""
        found: dict[str, WaitingJob] = {}
        for home in await self._homes():
            jobs = waiting(await self._link.run(call("find", [home], [self._keys.start, *ids])))
            found.update((job.id, job) for job in jobs)
        return found

    async def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait; returns the ids that were forgotten."""
        gone: set[str] = set()
        for home in await self._homes():
            answer = await self._link.run(call("cancel", [home], [self._keys.start, *dict.fromkeys(ids)]))
            gone.update(id.decode() for id in answer)
        return [id for id in dict.fromkeys(ids) if id in gone]

    async def free(self, reservation: Reservation, /) -> bool:
        """Free the unique key of a job that we hold; False where the reservation was stale."""
        home = self._keys.home(reservation.queue)
        return bool(await self._link.run(call("free", [home], [reservation.id, reservation.token])))

    async def clear(self, queue: str, /) -> int:
        """Forget all jobs of the queue; returns how many."""
        keys, count = [self._keys.home(queue), self._keys.base(queue)], 0
        while gone := await self._link.run(call("clear", keys)):
            count += gone
        return count

    async def queues(self) -> Sequence[str]:
        """Return the names of all queues that hold a job, sorted."""
        sizes = await self.sizes(await self._known())
        return [queue for queue, size in sizes.items() if size.total]

    async def page(
        self, queue: str, state: Literal["ready", "delayed", "reserved"], /, *, limit: int = 50, offset: int = 0
    ) -> Sequence[WaitingJob]:
        """List jobs of one queue in one state, in the order in which they would be reserved."""
        keys = [self._keys.home(queue), self._keys.base(queue)]
        return waiting(await self._link.run(call("page", keys, [state, offset, limit])))

    async def _known(self) -> list[str]:
        """Return every queue that ever had a job here, sorted."""
        return sorted(name.decode() for name in await self._link.command("SMEMBERS", f"{self._keys.root}queues"))

    async def _homes(self) -> Sequence[str]:
        return list(self._keys.groups(await self._known())) if self._keys.clustered else [self._keys.root]
