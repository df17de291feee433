"""The driver that keeps its jobs in one SQLite file."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.drivers.sqlite import jobs, leases
from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.guest import Guest
from asyncq.drivers.sqlite.inspection import Inspection
from asyncq.drivers.sqlite.keeper import SqliteKeeper
from asyncq.drivers.sqlite.options import options_of
from asyncq.drivers.sqlite.room import check_room
from asyncq.drivers.sqlite.schema import VERSION, found, script
from asyncq.drivers.sqlite.settling import settle
from asyncq.drivers.sqlite.step import Step
from asyncq.drivers.sqlite.stores import stores_of
from asyncq.payload import Envelope, Pushed, Reservation, Reserved, Settlement, Traits

__all__ = ["SqliteDriver"]


class SqliteDriver(Inspection, Guest):
    """Jobs in a file, for all processes of one host.

    Every call is on the disk when it returns (`synchronous=FULL`). Calls that wait at the same time share a commit.
    """

    traits = Traits(wake_latency=0.6, virtual_time=True)

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.name = settings.name
        self.lease = settings.lease
        self._database = Database(options_of(settings), clock, settings.lease)
        self.stores = stores_of(self._database)

    async def __aenter__(self) -> Self:
        await self._database.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        await self._database.close()

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes: all of them or none."""
        given, path = tuple(envelopes), self._database.options.path

        def work(step: Step) -> Sequence[Pushed]:
            check_room(step, path, given)
            return jobs.push(step, given)

        return await self._database.write(work) if given else []

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Lease up to `limit` due jobs, and never wait for one."""
        asked, lease = tuple(queues), self._database.lease
        return await self._database.lend(
            lambda step: leases.reserve(step, asked, lease, limit=limit, alone=alone), _reserved
        )

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return when a job of these queues may be reserved, or after `timeout` seconds."""
        await self._database.watch.ready(queues, timeout)

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts with all their effects; returns those that were stale."""
        given = tuple(settlements)
        return await self._database.write(lambda step: settle(step, given)) if given else []

    async def turn(
        self, settlements: Sequence[Settlement], queues: Sequence[str], /, *, limit: int
    ) -> tuple[Sequence[Reservation], Reserved]:
        """Settle, then reserve, in one transaction and one hop to the thread."""
        given, asked, lease = tuple(settlements), tuple(queues), self._database.lease

        def work(step: Step) -> tuple[Sequence[Reservation], Reserved]:
            stale = settle(step, given)
            return stale, leases.reserve(step, asked, lease, limit=limit, alone=False)

        return await self._database.lend(work, _turned)

    async def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart the full lease of each; returns those that were lost."""
        held, lease = tuple(reservations), self._database.lease
        if not held:
            return []
        return leases.lost(held, await self._database.write(lambda step: leases.extend(step, held, lease)))

    def keeper(self) -> SqliteKeeper:
        """Make a keeper with a connection of its own."""
        return SqliteKeeper(self._database.home, self._database.undelivered, self._database.lease)

    async def schema(self) -> tuple[int, int]:
        """Return (version found, version of this code)."""
        path = self._database.options.path
        meta = {"exists": "meta.exists", "get": "meta.get"}
        return (
            await self._database.read(
                lambda step: found(step.connection, {key: step.sql[name] for key, name in meta.items()}, path)
            ),
            VERSION,
        )

    async def install(self) -> int:
        """Return the version found; the tables were brought to this code's version when the driver opened."""
        return (await self.schema())[0]

    def script(self, since: int = 0, /) -> tuple[int, Sequence[str]]:
        """Return (version of this code, the statements that lead to it)."""
        return VERSION, script(self._database.options.prefix, since)


def _reserved(answer: Reserved) -> Sequence[Reservation]:
    return answer.items


def _turned(answer: tuple[Sequence[Reservation], Reserved]) -> Sequence[Reservation]:
    return answer[1].items
