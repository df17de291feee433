"""Flags shared by workers and commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.records import Signal

__all__ = ["SqliteSignals"]


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


def _signal(row: Row) -> Signal:
    return Signal(row[0], row[1], row[2] / MICRO)
