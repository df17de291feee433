"""Slots that owners hold for a time: one zset of owners by the end of their lives for each name."""

from __future__ import annotations

from typing import Any

from asyncq.drivers.redis.micros import MICRO, micros
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.records import LimitState

__all__ = ["Slots"]


class Slots:
    """Slots of one kind. The server's clock decides, and a set whose last slot ended is forgotten by the server."""

    def __init__(self, shelf: Shelf, kind: str) -> None:
        self._shelf = shelf
        self._kind = kind

    async def take(self, key: str, owner: str, limit: int, ttl: float) -> LimitState:
        """Take a slot if fewer than `limit` are held, or restart this owner's; '' is an owner of this call's own."""
        return _state(await self._shelf.run("slots_take", [self._name(key), owner, limit, _life(ttl)]))

    async def free(self, key: str, owner: str) -> bool:
        """Free this owner's slot."""
        return bool(await self._shelf.run("slots_free", [self._name(key), owner]))

    async def extend(self, key: str, owner: str, ttl: float) -> bool:
        """Restart this owner's slot, if it is held."""
        return bool(await self._shelf.run("slots_extend", [self._name(key), owner, _life(ttl)]))

    async def state(self, key: str, limit: int) -> LimitState:
        """Say how many slots are free."""
        return _state(await self._shelf.run("slots_state", [self._name(key), limit]))

    async def clear(self, key: str) -> None:
        """Free all."""
        await self._shelf.link.command("DEL", self.place(key))

    def place(self, key: str) -> str:
        """Return the whole name of the key on the server."""
        return f"{self._shelf.keys.root}{self._name(key)}"

    def _name(self, key: str) -> str:
        return f"{self._kind}:{key}"


def _life(ttl: float) -> int:
    return max(1, micros(ttl))


def _state(answer: Any) -> LimitState:
    allowed, remaining, left = answer
    return LimitState(bool(allowed), remaining, left / MICRO)
