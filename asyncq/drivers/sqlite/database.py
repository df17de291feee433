"""One file as the driver and its stores use it: a thread that writes, one that reads, and who waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from asyncq.clock import Clock
from asyncq.drivers.sqlite.bell import Bell
from asyncq.drivers.sqlite.instants import MICRO, Instants
from asyncq.drivers.sqlite.options import Options
from asyncq.drivers.sqlite.schema import open_file
from asyncq.drivers.sqlite.step import Step, statements
from asyncq.drivers.sqlite.thread import SqlThread
from asyncq.drivers.sqlite.transaction import Home, Transactor
from asyncq.drivers.sqlite.undelivered import Undelivered
from asyncq.drivers.sqlite.watch import Watch
from asyncq.errors import BrokerUnavailable, NotOpen
from asyncq.payload import Reservation

__all__ = ["Database"]

T = TypeVar("T")


class Database:
    """Opens and closes; in between, runs work in the thread that suits it.

    Writes share commits in one thread. What only reads has a thread and a connection of its own, so that counting a
    million jobs, or another process that holds the write lock, does not keep the two waiting for each other.
    """

    def __init__(self, options: Options, clock: Clock, lease: float) -> None:
        instants = Instants(clock)
        self.options = options
        self.lease = round(lease * MICRO)
        self.bell = Bell()
        self.undelivered = Undelivered()
        self.home = Home(
            options.path, statements(options.prefix), instants, partial(open_file, options), self.lease, options.synced
        )
        self.watch = Watch(options, self.home, self.bell)
        self._house = _Housekeeping(instants)
        writer = Transactor(self.home, writes=True, prelude=self._house.keep)
        reader = Transactor(self.home, writes=False)
        self._writer = SqlThread("asyncq-sqlite-write", writer, self.bell, self.undelivered)
        self._reader = SqlThread("asyncq-sqlite-read", reader, self.bell, self.undelivered)

    async def open(self) -> None:
        """Open the file, and learn the latest instant that anybody saw."""
        if self._writer.running:
            raise NotOpen(f"{self.options.path} is open already; make a second driver for a second use")
        self._writer.start()
        try:
            await self._writer.call(self._house.stamp)
            self.watch.open()
        except BaseException:
            await self._writer.stop()
            raise

    async def close(self) -> None:
        """Wait for the calls that were accepted, close all connections, end the threads."""
        self.watch.close()
        await self._reader.stop()
        await self._writer.stop()

    async def write(self, work: Callable[[Step], T]) -> T:
        """Run work in a transaction that may write."""
        return await self._writer.call(work)

    async def lend(self, work: Callable[[Step], T], pick: Callable[[T], Sequence[Reservation]]) -> T:
        """Run work that makes reservations; `pick` finds them in its answer."""
        return await self._writer.call(work, pick)

    async def read(self, work: Callable[[Step], T]) -> T:
        """Run work that only reads, on what is committed."""
        if self._writer.running and not self._reader.running:
            self._reader.start()
        return await self._reader.call(work)

    async def glance(self, work: Callable[[Step], T]) -> T:
        """Read an index entry or two: in the loop's thread, which saves an idle worker the wakes of two threads."""
        try:
            return self.watch.read(work)
        except (sqlite3.Error, BrokerUnavailable):
            return await self.read(work)


class _Housekeeping:
    """What a writing transaction does beside its works, at most once a second."""

    _EVERY = MICRO

    def __init__(self, instants: Instants) -> None:
        self._instants = instants
        self._next = 0

    def keep(self, step: Step) -> None:
        """Stamp the instant and sweep expired rows, if a second has passed."""
        if step.now >= self._next:
            self.stamp(step)
            for table in ("locks", "limits", "slots", "signals"):
                step.run(f"meta.sweep_{table}", (step.now,))

    def stamp(self, step: Step) -> None:
        """Store how far the time has come, and take over how far others saw it come."""
        row = step.row("meta.stamp", (step.now,))
        if row is not None:
            self._instants.absorb(row[0])
            step.now = max(step.now, row[0])
        self._next = step.now + self._EVERY
