"""One blocking command to a Redis server, for tests that look at its state."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import hiredis

__all__ = ["Address", "call", "pack"]

Address = Path | tuple[str, int]
Argument = str | bytes | int | float


def call(
    address: Address,
    *arguments: Argument,
    user: str = "default",
    password: str | None = None,
    timeout: float = 5.0,
) -> Any:
    """Send one command on a connection of its own and return its answer: texts as str, integers, None and lists.

    Raises:
        hiredis.ReplyError: the server refuses.
        OSError: no connection, or no answer in time.
    """
    reader = hiredis.Reader(encoding="utf-8", errors="surrogateescape", notEnoughData=_MORE)
    with _connected(address, timeout) as connection:
        if password is not None:
            _answer(connection, reader, ("AUTH", user, password))
        return _answer(connection, reader, arguments)


def pack(arguments: tuple[Argument, ...]) -> bytes:
    """Write a command as RESP."""
    parts = [one if isinstance(one, bytes) else str(one).encode() for one in arguments]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


_MORE = object()


def _connected(address: Address, timeout: float) -> socket.socket:
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(str(address))
    except OSError:
        connection.close()
        raise
    return connection


def _answer(connection: socket.socket, reader: hiredis.Reader, arguments: tuple[Argument, ...]) -> Any:
    connection.sendall(pack(arguments))
    while (answer := reader.gets()) is _MORE:
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        reader.feed(received)
    if isinstance(answer, hiredis.ReplyError):
        raise answer
    return answer
