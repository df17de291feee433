"""The wire to one server, over redis-py's connections."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import redis
from redis import exceptions as redis_errors

from asyncq.drivers.redis.pipe import Pipe, can_pipe
from asyncq.drivers.redis.wire import Argument

__all__ = ["PooledWire", "subscribed"]


_BLOCKING: Final = {"BLPOP"}
"""Commands that would hold up those behind them."""
_DEMOTED: Final = (redis.ReadOnlyError, redis_errors.MasterDownError)
"""Answers of a server that became a replica: the next connection asks Sentinel anew."""


class PooledWire:
    """Connections to one server, or to the master that Sentinel names.

    Most commands share one (see `Pipe`). Those that block have one to themselves, and so has every command where
    hiredis is missing.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._free: deque[Any] = deque()
        self._pipe: Pipe | None = None
        self._opening = asyncio.Lock()

    async def send(self, *arguments: Argument, asking: bool = False) -> Any:
        """Return the answer.

        With `asking`, a node of a cluster answers for a slot that is on its way to it.
        """
        if asking or not can_pipe() or arguments[0] in _BLOCKING:
            return await self._send_alone(*arguments, asking=asking)
        pipe = self._pipe
        if pipe is None or pipe.closed:
            pipe = await self._opened()
        try:
            return await pipe.send(arguments)
        except asyncio.CancelledError:
            pipe.close_if_silent()  # a deadline that passed, or a caller who gave up for the same reason
            raise
        except _DEMOTED:
            pipe.close()
            raise

    async def _opened(self) -> Pipe:
        """Open the shared connection, once for all who ask for it."""
        async with self._opening:
            if self._pipe is None or self._pipe.closed:
                self._pipe = await Pipe.open(self._pool.make_connection())
            return self._pipe

    async def _send_alone(self, *arguments: Argument, asking: bool) -> Any:
        """Use a connection for one command; it is dropped where its answer does not come."""
        connection: Any = self._free.pop() if self._free else self._pool.make_connection()
        try:
            if not connection.is_connected:
                await connection.connect()  # to send would open it as well, but without asking Sentinel for the master
            if asking:  # it holds for the next command of this connection
                await connection.send_command("ASKING", check_health=False)
                await connection.read_response(disable_decoding=True)
            await connection.send_command(*arguments, check_health=False)
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
        if self._pipe is not None:
            self._pipe.close()
        await self._pool.disconnect()

    async def _after_refusal(self, connection: Any, error: redis.ResponseError) -> None:
        """Keep the connection, but not to a server that became a replica."""
        if isinstance(error, _DEMOTED):
            await connection.disconnect(nowait=True)
        else:
            self._free.append(connection)

    async def _drop_free(self) -> None:
        while self._free:
            await self._free.pop().disconnect(nowait=True)


async def subscribed(connection: Any, channels: Sequence[str]) -> Any:
    """Subscribe a new connection; it is closed where that fails."""
    try:
        await connection.connect()
        await connection.send_command("SUBSCRIBE", *channels, check_health=False)
        for _ in channels:
            await connection.read_response(disable_decoding=True)
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection
