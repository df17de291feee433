"""One blocking statement to a PostgreSQL server, for tests that look at its state."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["Address", "Row", "ServerError", "call"]

Address = Path | tuple[str, int]
Row = tuple[Any, ...]

_Reading = Callable[[str], Any]
_NUMBERS: dict[int, _Reading] = {20: int, 21: int, 23: int, 26: int, 700: float, 701: float, 1700: float}
_OTHERS: dict[int, _Reading] = {16: "t".__eq__, 114: json.loads, 3802: json.loads}
_READINGS = _NUMBERS | _OTHERS


class ServerError(Exception):
    """The server refuses; `code` is its SQLSTATE."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(f"{fields.get('C')}: {fields.get('M')}")
        self.code = fields.get("C", "")


def call(address: Address, sql: str, *, user: str, database: str, timeout: float = 10.0) -> list[Row]:
    """Run statements on a connection of their own and return the rows of the last.

    Values are bool, int, float and decoded JSON by their type, None, and texts as the server writes them.

    Raises:
        ServerError: the server refuses, or wants a password.
        OSError: no connection, or no answer in time.
    """
    with _connected(address, timeout) as connection, connection.makefile("rb") as answers:
        startup = b"".join(part.encode() + b"\0" for part in ("user", user, "database", database)) + b"\0"
        connection.sendall(struct.pack("!ii", len(startup) + 8, 3 << 16) + startup)
        _until_ready(answers.read)
        connection.sendall(_message(b"Q", sql.encode() + b"\0"))
        rows = _until_ready(answers.read)
        connection.sendall(_message(b"X", b""))
        return rows


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


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _until_ready(read: Callable[[int], bytes]) -> list[Row]:
    """Read messages until the server waits for the next statement."""
    kinds: list[int] = []
    rows: list[Row] = []
    while True:
        head = read(5)
        if len(head) < 5:
            raise ConnectionResetError("the server closed the connection")
        kind, body = head[:1], read(struct.unpack("!i", head[1:])[0] - 4)
        match kind:
            case b"Z":
                return rows
            case b"E":
                raise ServerError(_fields(body))
            case b"R" if body[:4] != b"\0\0\0\0":
                raise ServerError({"C": "28000", "M": "a password is wanted; this connection has none"})
            case b"T":
                kinds, rows = _columns(body), []
            case b"D":
                rows.append(_row(body, kinds))
            case _:
                continue


def _fields(body: bytes) -> dict[str, str]:
    parts = [part.decode(errors="replace") for part in body.split(b"\0") if part]
    return {part[0]: part[1:] for part in parts}


def _columns(body: bytes) -> list[int]:
    """The types of the columns, by their numbers in the catalogue."""
    kinds: list[int] = []
    position = 2
    for _ in range(struct.unpack_from("!h", body)[0]):
        position = body.index(b"\0", position) + 1
        kinds.append(struct.unpack_from("!ihi", body, position)[2])
        position += 18
    return kinds


def _row(body: bytes, kinds: list[int]) -> Row:
    values: list[Any] = []
    position = 2
    for kind in kinds:
        (size,) = struct.unpack_from("!i", body, position)
        position += 4
        text = body[position : position + size].decode() if size >= 0 else None
        position += max(size, 0)
        values.append(None if text is None else _READINGS.get(kind, str)(text))
    return tuple(values)
