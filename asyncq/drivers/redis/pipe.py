"""Commands over one connection: written at once, answered in their order."""

from __future__ import annotations

import asyncio
from collections import deque
from importlib import import_module
from typing import Any, Final, Self

import redis

from asyncq.drivers.redis.wire import Argument

__all__ = ["Pipe", "can_pipe"]

SILENCE: Final = 1.0
"""Seconds without a word after which a connection that owes an answer is doubted."""
_NOTHING: Final = object()


def _library() -> Any:
    try:
        return import_module("hiredis")
    except ImportError:
        return None


_hiredis: Final[Any] = _library()


def can_pipe() -> bool:
    """Say whether hiredis is there, which reads the answers."""
    return _hiredis is not None


class Pipe(asyncio.Protocol):
    """Takes over a connection that redis-py has opened, greeted and logged in.

    redis-py's own way of one command on one connection at a time costs a task, a lock and two more turns of the loop;
    here many callers share a connection, and one who is cancelled leaves it as it is: the answer is read and dropped.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._loop = asyncio.get_running_loop()
        # Errors come as values: each belongs to its own command.
        self._reader = _hiredis.Reader(
            protocolError=redis.InvalidResponse, replyError=connection._parser.parse_error, notEnoughData=_NOTHING
        )
        self._transport: Any = None
        self._stream: Any = None
        """Kept, since it closes its transport when it is collected."""
        self._heard_at = self._loop.time()
        """When the server last said something, or owed nothing."""

    @classmethod
    async def open(cls, connection: Any) -> Self:
        """Connect, then answer for the connection's transport.

        Raises:
            redis.RedisError: the server cannot be reached, or refuses this user.
        """
        await connection.connect()
        pipe = cls(connection)
        pipe._adopt()
        return pipe

    def _adopt(self) -> None:
        """Take the transport; to redis-py its connection is closed from here on."""
        connection = self._connection
        self._stream = connection._writer
        connection._reader = connection._writer = None
        self._transport = self._stream.transport
        self._transport.set_protocol(self)

    @property
    def closed(self) -> bool:
        """True where no command can be sent any more."""
        return self._transport is None or self._transport.is_closing()

    def send(self, arguments: tuple[Argument, ...]) -> asyncio.Future[Any]:
        """Write a command; the future has its answer, or the error that the server or the connection gave."""
        future: asyncio.Future[Any] = self._loop.create_future()
        if self.closed:
            future.set_exception(redis.ConnectionError("the connection is closed"))
            return future
        if not self._waiting:
            self._heard_at = self._loop.time()
        self._transport.write(_hiredis.pack_command(arguments))
        self._waiting.append(future)
        return future

    def data_received(self, data: bytes) -> None:
        """Give each answer to the one who waits for it."""
        self._heard_at = self._loop.time()
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not _NOTHING:
                _give(self._waiting.popleft(), answer)
        except (redis.RedisError, IndexError) as error:  # not what this protocol knows: nothing after it can be trusted
            self.close()
            self.connection_lost(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell all who wait."""
        self._transport = None
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(
                    redis.ConnectionError(f"the connection was lost ({exc or 'closed by the server'})")
                )

    def close(self) -> None:
        """Close the connection; who still waits hears that it was lost."""
        if self._transport is not None:
            self._transport.abort()

    def close_if_silent(self) -> None:
        """Close it where an answer is owed and nothing was heard for a while: whoever sends next gets a new one."""
        if self._waiting and self._loop.time() - self._heard_at > SILENCE:
            self.close()


def _give(future: asyncio.Future[Any], answer: Any) -> None:
    if future.done():  # its caller was cancelled
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
