"""The wire to one server, over redis-py's connections."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import redis
from redis import exceptions as redis_errors

from asyncq.drivers.redis.wire import Argument

__all__ = ["PooledWire", "subscribed"]


def _packer() -> Callable[[tuple[Argument, ...]], bytes] | None:
    """Return hiredis's encoder of commands: what redis-py's connections use takes five times as long."""
    try:
        hiredis: Any = import_module("hiredis")
    except ImportError:
        return None
    packer: Callable[[tuple[Argument, ...]], bytes] = hiredis.pack_command
    return packer


_pack: Final = _packer()


class PooledWire:
    """Connections to one server, or to the master that Sentinel names.

    redis-py's own `execute_command` costs twice as much CPU (metrics, a lock, a task for each write), so its
    connections are used one level lower: each command has one to itself.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._free: deque[Any] = deque()

    async def send(self, *arguments: Argument, asking: bool = False) -> Any:
        """Return the answer; a connection whose answer did not come is dropped.

        With `asking`, a node of a cluster answers for a slot that is on its way to it.
        """
        connection: Any = self._free.pop() if self._free else self._pool.make_connection()
        try:
            if asking:  # it holds for the next command of this connection
                await connection.send_command("ASKING", check_health=False)
                await connection.read_response(disable_decoding=True)
            packed = connection.pack_command(*arguments) if _pack is None else _pack(arguments)
            await connection.send_packed_command(packed, check_health=False)
            answer = await connection.read_response(disable_decoding=True)
        except redis.ResponseError as error:
            await self._after_refusal(connection, error)
            raise
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if isinstance(error, redis.ConnectionError):
                await self._drop_free()  # they were opened to the same server, and would fail one after the other
            raise
        self._free.append(connection)
        return answer

    async def listen(self, channels: Sequence[str]) -> Any:
        """Return a connection of its own that is subscribed to channels."""
        return await subscribed(self._pool.make_connection(), channels)

    async def close(self) -> None:
        """Close the connections that lie free; none is in use any more."""
        await self._drop_free()
        await self._pool.disconnect()

    async def _after_refusal(self, connection: Any, error: redis.ResponseError) -> None:
        """Keep the connection, but not to a server that became a replica: the next one asks Sentinel anew."""
        if isinstance(error, (redis.ReadOnlyError, redis_errors.MasterDownError)):
            await connection.disconnect(nowait=True)
        else:
            self._free.append(connection)

    async def _drop_free(self) -> None:
        while self._free:
            await self._free.pop().disconnect(nowait=True)


async def subscribed(connection: Any, channels: Sequence[str]) -> Any:
    """Subscribe a new connection; it is closed where that fails."""
    try:
        await connection.send_command("SUBSCRIBE", *channels, check_health=False)
        for _ in channels:
            await connection.read_response(disable_decoding=True)
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection
