"""Flags shared by workers and commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from asyncq.drivers.postgres.ears import Ears
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import MICRO, micros_or_none
from asyncq.drivers.postgres.ringer import Ringer
from asyncq.drivers.postgres.texts import stored, unstored
from asyncq.records import Signal

__all__ = ["PostgresSignals"]

_PERIOD: Final = 1.0
"""Seconds between looks where nothing can be heard."""
_LONGEST: Final = 10.0
"""Seconds between looks where it can: a notification that was lost costs no more than this."""
_PAYLOAD: Final = 7000
"""A notification holds 8,000 bytes at most."""


class PostgresSignals:
    """Flags; each change is told by a notification."""

    def __init__(self, link: Link, ears: Ears, ringer: Ringer) -> None:
        self._link = link
        self._ears = ears
        self._ringer = ringer

    async def put(self, name: str, value: bytes, /, *, ttl: float | None = None) -> None:
        """Set a flag; with `ttl` it vanishes after so many seconds."""
        await self._link.run("signal_put", stored(name), value, micros_or_none(ttl))
        self._ringer.ring({_topic(name)})

    async def get(self, names: Sequence[str], /) -> Mapping[str, Signal]:
        """Return the flags among these names that are set."""
        rows = await self._link.run("signal_get", [stored(name) for name in names])
        return {signal.name: signal for signal in map(_signal, rows)}

    async def page(self, prefix: str, /) -> Sequence[Signal]:
        """Return all set flags whose name starts so, by name."""
        return [_signal(row) for row in await self._link.run("signal_page", stored(prefix))]

    async def forget(self, names: Sequence[str], /) -> int:
        """Unset flags; returns how many were set."""
        gone = len(await self._link.once("signal_forget", [stored(name) for name in names]))
        self._ringer.ring({_topic(name) for name in names})
        return gone

    @asynccontextmanager
    async def changes(self, names: Sequence[str], /) -> AsyncGenerator[_Changes]:
        """Hear of changes of these flags while the block lasts."""
        with self._ears.listening([_topic(name) for name in names]) as rung:
            yield _Changes(self._ears, rung)


class _Changes:
    """What a worker hears. Which flag it was is not kept."""

    def __init__(self, ears: Ears, rung: asyncio.Event) -> None:
        self._ears = ears
        self._rung = rung

    async def wait(self, seconds: float, /) -> str | None:
        """Return when a flag may have changed, or after so many seconds."""
        longest = _LONGEST if await self._ears.hears() else _PERIOD
        try:
            async with asyncio.timeout(min(seconds, longest)):
                await self._rung.wait()
        except TimeoutError:
            return None
        self._rung.clear()
        return None


def _topic(name: str) -> str:
    return f"s:{stored(name)}"[:_PAYLOAD]


def _signal(row: Any) -> Signal:
    return Signal(unstored(row[0]), row[1], row[2] / MICRO)
