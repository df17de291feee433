"""What a PostgreSQL client and its server say to each other, cut into commands and their answers."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.support.proxy import Command

__all__ = ["PostgresDialogue"]

_OPENINGS = {80877102: b"cancel", 80877103: b"ssl", 80877104: b"gss"}
"""Messages without a letter, by their codes; any other is a startup."""
_LAST = frozenset({b"Q", b"S", b"H", b"p", b"X", b"c", b"f", b"startup", *_OPENINGS.values()})
"""After these a client waits, or says no more."""

_READY = frozenset({b"Z"})
_LET_IN = frozenset({b"Z", b"R", b"E"})
_ENCRYPTION = frozenset({b"encryption"})
# What ends the answer to a command, by its last message; to one that ends with Flush, by the message before that.
_ENDS = {
    b"ssl": _ENCRYPTION,
    b"gss": _ENCRYPTION,
    b"startup": _LET_IN,
    b"p": _LET_IN,
    b"Q": frozenset({b"Z", b"G"}),
    b"S": _READY,
    b"c": _READY,
    b"f": _READY,
}
_ENDS_OF_FLUSHED = {
    b"P": frozenset({b"1", b"E"}),
    b"B": frozenset({b"2", b"E"}),
    b"C": frozenset({b"3", b"E"}),
    b"D": frozenset({b"T", b"n", b"E"}),
    b"E": frozenset({b"C", b"I", b"s", b"E"}),
}
_NOTHING_TO_SAY = frozenset({0, 12})
"""Kinds of authentication messages that ask the client for nothing."""


@dataclass(frozen=True, slots=True)
class _Message:
    kind: bytes
    """Its letter; a word where it has none."""
    written: bytes

    @property
    def body(self) -> bytes:
        return self.written[5:]


class PostgresDialogue:
    """One connection, of protocol 3."""

    def __init__(self) -> None:
        self._from_client = bytearray()
        self._from_server = bytearray()
        self._started = False
        self._pending: list[_Message] = []
        self._statements: dict[bytes, bytes] = {}
        self._awaited: deque[frozenset[bytes]] = deque()
        """What ends the answer to each command that has none yet."""

    def requests(self, data: bytes) -> Iterator[tuple[Command, bytes]]:
        """Take what the client has sent; return each command that is complete now, with its bytes."""
        self._from_client += data
        while message := self._taken(self._from_client) if self._started else self._opening():
            self._pending.append(message)
            if message.kind in _LAST:
                messages, self._pending = self._pending, []
                self._await(messages)
                yield self._command(messages), b"".join(one.written for one in messages)

    def replies(self, data: bytes) -> int:
        """Take what the server has sent; return how many commands are answered by it to their end."""
        self._from_server += data
        count = 0
        while message := self._answer():
            if self._awaited and message.kind in self._awaited[0]:
                self._awaited.popleft()
                count += 1
        return count

    # --- the client's side --------------------------------------------------------------------------------------------

    def _opening(self) -> _Message | None:
        """The next message without a letter, from before a session begins."""
        if len(self._from_client) < 8:
            return None
        size, code = struct.unpack_from("!ii", self._from_client)
        if len(self._from_client) < size:
            return None
        kind = _OPENINGS.get(code, b"startup")
        self._started = kind == b"startup"
        return _Message(kind, _cut(self._from_client, size))

    def _await(self, messages: Sequence[_Message]) -> None:
        last = messages[-1].kind
        if last == b"H":
            last = messages[-2].kind if len(messages) > 1 else b""
            ends = _ENDS_OF_FLUSHED.get(last)
        else:
            ends = _ENDS.get(last)
        if ends:
            self._awaited.append(ends)

    def _command(self, messages: Sequence[_Message]) -> Command:
        texts = dict.fromkeys(text for message in messages if (text := self._text(message)) is not None)
        return (b"".join(message.kind for message in messages), *texts)

    def _text(self, message: _Message) -> bytes | None:
        """The statement that a message brings or names."""
        match message.kind:
            case b"Q":
                return message.body[:-1]
            case b"P":
                name, text = message.body.split(b"\0")[:2]
                self._statements[name] = text
                return text
            case b"B":
                return self._statements.get(message.body.split(b"\0")[1])
            case _:
                return None

    # --- the server's side --------------------------------------------------------------------------------------------

    def _answer(self) -> _Message | None:
        """The next message; that a password was right, or that none is needed, ends nothing by itself."""
        if self._awaited and self._awaited[0] is _ENCRYPTION:
            return _Message(b"encryption", _cut(self._from_server, 1)) if self._from_server else None
        message = self._taken(self._from_server)
        if message and message.kind == b"R" and struct.unpack_from("!i", message.body)[0] in _NOTHING_TO_SAY:
            return _Message(b"welcome", message.written)
        return message

    @staticmethod
    def _taken(buffer: bytearray) -> _Message | None:
        """The next message with a letter, if all of it is there."""
        if len(buffer) < 5:
            return None
        (size,) = struct.unpack_from("!i", buffer, 1)
        if len(buffer) <= size:
            return None
        return _Message(bytes(buffer[:1]), _cut(buffer, size + 1))


def _cut(buffer: bytearray, size: int) -> bytes:
    taken = bytes(buffer[:size])
    del buffer[:size]
    return taken
