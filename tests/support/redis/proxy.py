"""The proxy before a Redis server."""

from __future__ import annotations

from collections.abc import Iterator

import hiredis

from tests.support.proxy import Command, FaultProxy
from tests.support.redis.wire import pack

__all__ = ["RedisProxy"]

_MORE = object()


class RedisProxy(FaultProxy):
    """Fails at a command.

    Not after one of a connection that subscribes by RESP2: there, messages cannot be told from replies.
    """

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def dialogue(self) -> _Dialogue:
        """Begin to listen to one connection."""
        return _Dialogue()


class _Dialogue:
    """RESP: each command is a list, and has one reply."""

    def __init__(self) -> None:
        self._client = hiredis.Reader(notEnoughData=_MORE)
        self._server = hiredis.Reader(notEnoughData=_MORE)

    def requests(self, data: bytes) -> Iterator[tuple[Command, bytes]]:
        self._client.feed(data)
        while (request := self._client.gets()) is not _MORE:
            command: Command = tuple(request)
            yield command, pack(command)

    def replies(self, data: bytes) -> int:
        self._server.feed(data)
        count = 0
        while (reply := self._server.gets()) is not _MORE:
            count += not isinstance(reply, hiredis.PushNotification)
        return count
