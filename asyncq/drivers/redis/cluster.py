"""The wire of a cluster: each command goes to the node that has the slot of its keys."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import redis
from redis import exceptions as redis_errors
from redis.crc import key_slot

from asyncq.drivers.redis.wire import Argument
from asyncq.drivers.redis.wires import PooledWire, subscribed

__all__ = ["Address", "ClusterWire"]

Address = tuple[str, int]

SLOTS: Final = 16_384
REDIRECTIONS: Final = 5
LOOK_SECONDS: Final = 1.0
"""How long one node may take to say which node has which slots, before another one is asked."""
_KEYLESS: Final = frozenset({"CLUSTER", "CONFIG", "INFO", "PING", "TIME"})
_SCRIPTS: Final = frozenset({"EVAL", "EVALSHA"})
_LOST: Final = (redis.ConnectionError, redis_errors.ClusterDownError, OSError, EOFError)
"""After these, another node may have the slot. An error of the network is a ConnectionError or one of the system's."""


class ClusterWire:
    """Connections to the nodes of a cluster, and what is known of its slots.

    redis-py's own client sends ASKING on another connection than the command that it is for, closes all connections
    when one slot moved, and never hears that a call was given up because its node does not answer.
    """

    def __init__(self, seeds: Sequence[Address], pool_of: Callable[[Address], Any], *, timeout: float) -> None:
        self._seeds = seeds
        self._pool_of = pool_of
        self._timeout = timeout
        self._nodes: dict[Address, PooledWire] = {}
        self._owners: list[Address | None] = [None] * SLOTS
        self._stale = True
        """True where the owners must be learnt before the next command."""
        self._doubtful: set[Address] = set()
        """Nodes that are asked last."""
        self._learning = asyncio.Lock()

    async def send(self, *arguments: Argument) -> Any:
        """Return the answer of the node that has the keys, wherever the nodes send us."""
        slot = _slot(arguments)
        if self._stale:
            await self._learn()
        address, asking = self._owner(slot), False
        for _ in range(REDIRECTIONS):
            try:
                return await self._send(address, arguments, asking=asking)
            except redis_errors.AskError as error:  # a MovedError is one too
                told: Any = error
                address = (told.host or address[0], told.port)
                asking = not isinstance(error, redis_errors.MovedError)
                if not asking:
                    self._owners[told.slot_id] = address
        self._stale = True
        raise redis_errors.ClusterDownError("the nodes do not agree which of them has the slot")

    async def listen(self, channels: Sequence[str]) -> Any:
        """Return a connection to the node that has the first channel's slot; each hears what is told to any."""
        if self._stale:
            await self._learn()
        address = self._owner(key_slot(channels[0].encode()))
        try:
            return await subscribed(self._pool_of(address).make_connection(), channels)
        except _LOST:
            self._doubt(address)
            raise

    async def close(self) -> None:
        """Close all connections."""
        for node in self._nodes.values():
            await node.close()

    async def _send(self, address: Address, arguments: Sequence[Argument], *, asking: bool) -> Any:
        began = time.monotonic()
        try:
            return await self._node(address).send(*arguments, asking=asking)
        except _LOST:
            self._doubt(address)
            raise
        except asyncio.CancelledError:
            if time.monotonic() - began >= self._timeout:  # it was given up for want of an answer, or may have been
                self._doubt(address)
            raise

    def _doubt(self, address: Address) -> None:
        self._doubtful.add(address)
        self._stale = True

    def _node(self, address: Address) -> PooledWire:
        if address not in self._nodes:
            self._nodes[address] = PooledWire(self._pool_of(address))
        return self._nodes[address]

    def _owner(self, slot: int | None) -> Address:
        address = self._owners[slot] if slot is not None else next(filter(None, self._owners), None)
        if address is None:
            self._stale = True
            raise redis_errors.ClusterDownError("no node has the slot of these keys")
        return address

    async def _learn(self) -> None:
        """Ask one node after the other, until one says which node has which slots."""
        async with self._learning:
            failure: Exception | None = None
            for address in self._candidates() if self._stale else ():
                try:
                    async with asyncio.timeout(LOOK_SECONDS):
                        answer = await self._node(address).send("CLUSTER", "SLOTS")
                except (redis_errors.AuthenticationError, redis_errors.ResponseError):
                    raise
                except (redis.ConnectionError, OSError, EOFError) as error:
                    failure = error
                    self._doubtful.add(address)
                else:
                    self._read(answer, address)
                    return
            if failure is not None:
                raise redis.ConnectionError(f"no node of the cluster answers ({failure})") from failure

    def _candidates(self) -> list[Address]:
        """Return all nodes that are known, in no order, so that not all clients ask the same; doubtful ones last."""
        known = [address for address in {*self._owners, *self._seeds} if address is not None]
        random.shuffle(known)
        return sorted(known, key=lambda address: address in self._doubtful)

    def _read(self, answer: Sequence[Any], asked: Address) -> None:
        owners: list[Address | None] = [None] * SLOTS
        for first, last, (host, port, *_), *_ in answer:
            owners[first : last + 1] = [(_host(host) or asked[0], int(port))] * (last - first + 1)
        self._owners, self._stale = owners, False
        self._doubtful.discard(asked)


def _host(told: bytes | None) -> str:
    """Return a node's host; a node that does not know its own is reached where it was asked."""
    return "" if told is None or told == b"?" else told.decode()


def _slot(arguments: Sequence[Argument]) -> int | None:
    name = arguments[0]
    if name in _KEYLESS:
        return None
    key = arguments[3 if name in _SCRIPTS else 1]
    return key_slot(key if isinstance(key, bytes) else str(key).encode())
