"""Flags shared by workers and commands."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from asyncq.drivers.redis.micros import MICRO, micros
from asyncq.drivers.redis.news import News
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.records import Signal

__all__ = ["RedisSignals"]


class RedisSignals:
    """Flags; each change is told to a channel of the flag's own."""

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

    @asynccontextmanager
    async def changes(self, names: Sequence[str], /) -> AsyncGenerator[_Changes]:
        """Hear of changes of these flags while the block lasts."""
        async with self._shelf.link.news(*(self._shelf.keys.channel(f"signal:{name}") for name in names)) as news:
            yield _Changes(news)


class _Changes:
    """What a worker hears."""

    def __init__(self, news: News) -> None:
        self._news = news

    async def wait(self, seconds: float, /) -> str | None:
        """Return the name of a flag that was set or unset, or None after so many seconds."""
        told = await self._news.wait(seconds)
        return None if told is None else told.decode()


def _signals(answer: Sequence[Any]) -> list[Signal]:
    pairs = zip(answer[::2], answer[1::2], strict=True)
    return [_signal(name.decode(), text) for name, text in pairs]


def _signal(name: str, text: bytes) -> Signal:
    _, at, value = text.split(b"\n", 2)
    return Signal(name, value, int(at) / MICRO)
