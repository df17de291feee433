"""Statements to a Postgres server, sent without any client library: its simple protocol and nothing more."""

from __future__ import annotations

import socket
import struct
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

__all__ = ["Row", "Wire"]

VERSION_3 = 196608
Row = tuple[str | None, ...]


class Wire:
    """One connection, open inside `with`. The server must trust whoever connects."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._at = (address.hostname or "127.0.0.1", address.port or 5432)
        user, database = unquote(address.username or "postgres"), address.path.lstrip("/") or "postgres"
        self._greeting = f"user\0{user}\0database\0{database}\0\0".encode()
        self.settings: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._socket = socket.create_connection(self._at, timeout=60)
        self._answer = self._socket.makefile("rb")
        self._socket.sendall(struct.pack("!ii", len(self._greeting) + 8, VERSION_3) + self._greeting)
        self._until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer.close()
        self._socket.close()

    def rows(self, statement: str) -> list[Row]:
        """Run a statement and return its rows, all values as text."""
        text = statement.encode() + b"\0"
        self._socket.sendall(b"Q" + struct.pack("!i", len(text) + 4) + text)
        return self._until_ready()

    def _until_ready(self) -> list[Row]:
        found: list[Row] = []
        failure = ""
        while True:
            kind, body = self._message()
            if kind == b"D":
                found.append(_row(body))
            elif kind == b"S":
                name, value = body.split(b"\0")[:2]
                self.settings[name.decode()] = value.decode()
            elif kind == b"E":
                failure = b" ".join(body.split(b"\0")).decode(errors="replace")
            elif kind == b"R" and body[:4] != bytes(4):
                raise OSError("the server asks for a password")
            elif kind == b"Z":
                break
        if failure:
            raise OSError(failure)
        return found

    def _message(self) -> tuple[bytes, bytes]:
        head = self._answer.read(5)
        if len(head) < 5:
            raise OSError("the server ended the connection")
        return head[:1], self._answer.read(struct.unpack("!i", head[1:])[0] - 4)


def _row(body: bytes) -> Row:
    values: list[str | None] = []
    place = 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        length = struct.unpack("!i", body[place : place + 4])[0]
        place += 4
        values.append(None if length < 0 else body[place : place + length].decode())
        place += max(0, length)
    return tuple(values)
