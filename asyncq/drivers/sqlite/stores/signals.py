"""Flags shared by workers and commands."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from asyncq.clock import until_beat
from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.errors import BrokerUnavailable
from asyncq.records import Signal

__all__ = ["SqliteSignals"]

_PERIOD: Final = 1.0
"""Seconds between looks whether the file changed."""


class SqliteSignals:
    """Flags, for all processes of one host."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, name: str, value: bytes, /, *, ttl: float | None = None) -> None:
        """Set a flag; with `ttl` it vanishes after so many seconds."""

        def work(step: Step) -> None:
            until = None if ttl is None else step.now + micros(ttl)
            step.run("stores.signal_put", (name, value, step.now, until))

        await self._database.write(work)

    async def get(self, names: Sequence[str], /) -> Mapping[str, Signal]:
        """Return the flags among these names that are set."""
        asked = json.dumps(list(names))
        rows = await self._database.glance(lambda step: step.rows("stores.signal_get", (asked, step.now)))
        return {row[0]: _signal(row) for row in rows}

    async def page(self, prefix: str, /) -> Sequence[Signal]:
        """Return all set flags whose name starts so, by name."""
        rows = await self._database.read(
            lambda step: step.rows("stores.signal_page", {"prefix": prefix, "now": step.now})
        )
        return [_signal(row) for row in rows]

    async def forget(self, names: Sequence[str], /) -> int:
        """Unset flags; returns how many were set."""
        given = tuple(names)
        return sum(
            await self._database.write(
                lambda step: step.each("stores.signal_forget", [(name, step.now) for name in given])
            )
        )

    @asynccontextmanager
    async def changes(self, names: Sequence[str], /) -> AsyncGenerator[_Changes]:
        """Hear of changes of the file, of which one of these flags may be, and of the end of a flag's life."""
        yield _Changes(self._database, json.dumps(list(names)))


class _Changes:
    """A timer looks whether the file changed at all, at a beat that other looks keep too; a task would cost more."""

    def __init__(self, database: Database, asked: str) -> None:
        self._database = database
        self._asked = asked
        self._seen: object = None
        self._until: int | None = None
        """Instant at which the next of these flags vanishes by itself."""

    async def wait(self, seconds: float, /) -> str | None:
        """Return within a second of a change, or after so many seconds; which flag it was is not known."""
        rung = asyncio.Event()
        self._look_soon(rung, asyncio.get_running_loop().time() + seconds)
        try:
            await rung.wait()
        finally:
            self._timer.cancel()
        self._note()
        return None

    def _look_soon(self, rung: asyncio.Event, end: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(until_beat(_PERIOD), self._look, rung, end)

    def _look(self, rung: asyncio.Event, end: float) -> None:
        if self._changed() or asyncio.get_running_loop().time() >= end:
            rung.set()
        else:
            self._look_soon(rung, end)

    def _changed(self) -> bool:
        if self._until is not None and self._database.home.instants.now() >= self._until:
            return True
        return self._database.watch.state() != self._seen

    def _note(self) -> None:
        """Note what is there before our caller looks: what comes after that is news."""
        self._seen = self._database.watch.state()
        try:
            row = self._database.watch.read(lambda step: step.row("stores.signal_until", (self._asked, step.now)))
            self._until = None if row is None else row[0]
        except (sqlite3.Error, BrokerUnavailable):
            self._seen = None  # a look at the next beat


def _signal(row: Row) -> Signal:
    return Signal(row[0], row[1], row[2] / MICRO)
