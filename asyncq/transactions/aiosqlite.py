"""Transactions of aiosqlite."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import aiosqlite

from asyncq.contracts import Statements
from asyncq.errors import ConfigError
from asyncq.transactions.adapting import Adapted, refuse

__all__ = ["adapt", "check", "commits_by_itself"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AiosqliteTransaction:
    """What is open on a connection, or will be with its next write."""

    connection: aiosqlite.Connection

    @property
    def dialect(self) -> Literal["sqlite"]:
        """Which SQL it speaks."""
        return "sqlite"

    async def fetch(self, statement: str, values: Sequence[Any] = (), /) -> Sequence[Sequence[Any]]:
        """Run one statement."""
        rows: Sequence[Sequence[Any]] = await self.lend(lambda theirs: theirs.execute(statement, values).fetchall())
        return rows

    async def lend(self, work: Callable[[Statements], T], /) -> T:
        """Run work in the connection's thread, all in one visit."""
        # The library has public calls for single statements only, and each of them would wait for the thread anew.
        visit: Callable[..., Awaitable[T]] = getattr(self.connection, "_execute")  # noqa: B009  # it is untyped
        return await visit(_plainly, self.connection._conn, work)  # pyright: ignore[reportPrivateUsage]


def _plainly(raw: sqlite3.Connection, work: Callable[[Statements], T]) -> T:
    """Run work with rows as tuples and texts as `str`, whatever the connection is set to."""
    factories = raw.row_factory, raw.text_factory
    raw.row_factory, raw.text_factory = None, str
    try:
        return work(raw)
    finally:
        raw.row_factory, raw.text_factory = factories


async def adapt(given: Any, what: str) -> Adapted:
    """Return the transaction of a connection."""
    check(what, given)
    if commits_by_itself(given):
        raise ConfigError(
            f"{what}: this aiosqlite connection commits each statement by itself, so this would count at once, "
            'whatever becomes of the rest; `await connection.execute("BEGIN IMMEDIATE")` first'
        )
    return Adapted(AiosqliteTransaction(given), given)


def check(what: str, given: Any) -> None:
    """Refuse what is no connection, or not open.

    Raises:
        WrongType: it is no connection.
        ConfigError: it is not open.
    """
    if not isinstance(given, aiosqlite.Connection):
        refuse(what, given, "give the connection itself")
    try:
        _ = given.in_transaction
    except ValueError:  # it has no other public way to say it
        raise ConfigError(
            f"{what}: this connection is not open; write `async with aiosqlite.connect(…) as connection:` around both"
        ) from None


def commits_by_itself(connection: aiosqlite.Connection) -> bool:
    """Say whether nothing is open, and no statement would open a transaction."""
    if connection.in_transaction:
        return False
    raw = connection._conn  # pyright: ignore[reportPrivateUsage]
    # Python 3.12 has `autocommit`; its other value, -1, leaves it to `isolation_level` as before.
    return getattr(raw, "autocommit", -1) is True or connection.isolation_level is None
