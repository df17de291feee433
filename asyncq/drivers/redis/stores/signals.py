"""Flags shared by workers and commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncq.drivers.redis.micros import MICRO, micros
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.records import Signal

__all__ = ["RedisSignals"]


class RedisSignals:
    """Flags; each change is told to the channel `signals`."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def put(self, name: str, value: bytes, /, *, ttl: float | None = None) -> None:
        """Set a flag; with `ttl` it vanishes after so many seconds."""
        await self._shelf.run("signal_put", [name, value, "" if ttl is None else micros(ttl)])

    async def get(self, names: Sequence[str], /) -> Mapping[str, Signal]:
        """Return the flags among these names that are set."""
        return {signal.name: signal for signal in _signals(await self._shelf.run("signal_get", names))}

    async def page(self, prefix: str, /) -> Sequence[Signal]:
        """Return all set flags whose name starts so, by name."""
        found = _signals(await self._shelf.run("signal_page", [prefix]))
        return sorted(found, key=lambda signal: signal.name)

    async def forget(self, names: Sequence[str], /) -> int:
        """Unset flags; returns how many were set."""
        return int(await self._shelf.run("signal_forget", names))


def _signals(answer: Sequence[Any]) -> list[Signal]:
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return [_signal(name.decode(), text) for name, text in pairs]


def _signal(name: str, text: bytes) -> Signal:
    _, at, value = text.split(b"\n", 2)
    return Signal(name, value, int(at) / MICRO)
