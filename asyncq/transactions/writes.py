"""Tells whether a session's transaction may have changed something, by the statements that SQLAlchemy sends for it."""

from __future__ import annotations

import re
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine, event

__all__ = ["Writes", "may_write", "origin"]

_NOTHING: Final = r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*"
_READS: Final = re.compile(rf"{_NOTHING}(?:SELECT|WITH|SHOW|EXPLAIN|VALUES|TABLE|PRAGMA)\b", re.IGNORECASE | re.DOTALL)
_WRITES: Final = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|INTO)\b", re.IGNORECASE)


class Writer(Protocol):
    """What has transactions."""

    wrote: bool


class Writes:
    """Marks whose connection it is. It doubts in favour of a write: only what begins like a question is none."""

    def __init__(self) -> None:
        self._users: WeakKeyDictionary[Connection, Writer] = WeakKeyDictionary()
        self._heard: WeakKeyDictionary[Engine, None] = WeakKeyDictionary()

    def watch(self, connection: Connection, user: Writer) -> None:
        """Mark this user at the first write on the connection."""
        engine = origin(connection.engine)
        if engine not in self._heard:
            self._heard[engine] = None
            event.listen(engine, "before_cursor_execute", self._sends)
        self._users[connection] = user

    def _sends(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:
        user = self._users.get(connection)
        if user is not None and not user.wrote and may_write(statement):
            user.wrote = True


def may_write(statement: str) -> bool:
    """Say whether a statement may change something. `FOR UPDATE` counts as a write; a function is trusted."""
    return _READS.match(statement) is None or _WRITES.search(statement) is not None


def origin(engine: Engine) -> Engine:
    """Return the engine that this one is a copy of, with other options; it is told what its copies are told."""
    found: Engine = getattr(engine, "_proxied", engine)
    return found
