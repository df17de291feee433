"""Databases of users, by the libraries through which these open transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

__all__ = ["WAYS", "Around", "Tx", "Way", "sqlite_engine", "way_on"]

Around = Callable[[Any], AbstractAsyncContextManager[Any]]
_TABLE = "CREATE TABLE IF NOT EXISTS users (name TEXT NOT NULL)"


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction that is open."""

    given: Any
    """What a user passes to `tx=`."""
    write: Callable[[str], Any]
    """Insert a user by name."""
    savepoint: Callable[[], AbstractAsyncContextManager[Any]]
    """Open a savepoint: released at the end of its block, rolled back by an error."""


class Way(ABC):
    """One library, on one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        """URL of a connection of asyncq whose tables lie there."""

    @abstractmethod
    def open(self) -> AbstractAsyncContextManager[Any]:
        """Make the users' table and keep the database open."""

    @abstractmethod
    def transaction(self, around: Around = nullcontext) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction: committed at the end of its block, rolled back by an error.

        What `around` makes of what a user holds is put around the transaction and, if the library asks for it, around
        each savepoint.
        """

    @abstractmethod
    async def names(self) -> Sequence[str]:
        """Return the users that are committed."""


class _Sqlite(Way):
    def __init__(self, path: Path) -> None:
        super().__init__(f"sqlite:///{path}")
        self.path = path

    async def names(self) -> Sequence[str]:
        async with aiosqlite.connect(self.path) as database:
            return [name for (name,) in await database.execute_fetchall("SELECT name FROM users ORDER BY rowid")]


class Aiosqlite(_Sqlite):
    """A connection whose user writes BEGIN and COMMIT."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with aiosqlite.connect(self.path) as database:
            await database.execute(_TABLE)
        yield

    @asynccontextmanager
    async def transaction(self, around: Around = nullcontext) -> AsyncGenerator[Tx]:
        async with aiosqlite.connect(self.path, isolation_level=None) as database, around(database):
            await database.execute("BEGIN IMMEDIATE")
            yield Tx(
                database,
                lambda name: database.execute("INSERT INTO users VALUES (?)", (name,)),
                lambda: _savepoint(database, around),
            )
            await database.execute("COMMIT")  # closing rolls back


@asynccontextmanager
async def _savepoint(database: aiosqlite.Connection, around: Around) -> AsyncGenerator[None]:
    await database.execute("SAVEPOINT inner")
    try:
        async with around(database):
            yield
    except BaseException:
        await database.execute("ROLLBACK TO inner")
        raise
    finally:
        await database.execute("RELEASE inner")


class _Engine(Way):
    """SQLAlchemy."""

    engine: AsyncEngine

    @abstractmethod
    def make(self) -> AsyncEngine:
        """Make the engine."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        self.engine = self.make()
        async with self.engine.begin() as connection:
            await connection.execute(text(_TABLE))
        yield
        await self.engine.dispose()


class _Sessions(_Engine):
    @asynccontextmanager
    async def transaction(self, around: Around = nullcontext) -> AsyncGenerator[Tx]:
        async with AsyncSession(self.engine) as session, around(session), session.begin():
            yield Tx(session, lambda name: _insert(session, name), session.begin_nested)


class _Connections(_Engine):
    @asynccontextmanager
    async def transaction(self, around: Around = nullcontext) -> AsyncGenerator[Tx]:
        async with self.engine.connect() as connection, around(connection), connection.begin():
            yield Tx(connection, lambda name: _insert(connection, name), connection.begin_nested)


async def _insert(executes: AsyncSession | AsyncConnection, name: str) -> None:
    await executes.execute(text("INSERT INTO users VALUES (:name)"), {"name": name})


def sqlite_engine(path: Path, **options: Any) -> AsyncEngine:
    """Make an engine whose transactions begin where SQLAlchemy says they do, as its documentation advises."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"isolation_level": None}, **options)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class SqliteSessions(_Sessions, _Sqlite):
    """SQLAlchemy's sessions on aiosqlite."""

    def make(self) -> AsyncEngine:
        return sqlite_engine(self.path)


class SqliteConnections(_Connections, _Sqlite):
    """SQLAlchemy's connections on aiosqlite."""

    def make(self) -> AsyncEngine:
        return sqlite_engine(self.path)


WAYS: dict[str, Callable[[Path], Way]] = {
    "aiosqlite": Aiosqlite,
    "sqlite-session": SqliteSessions,
    "sqlite-connection": SqliteConnections,
}


def way_on(name: str, directory: Path) -> Way:
    """Make a database of its own in a folder."""
    return WAYS[name](directory / "shop.db")
