"""Databases of users, by the libraries through which these open transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiosqlite
import asyncpg
from sqlalchemy import Connection, event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from tests.support.installing import install
from tests.support.shared import Shared

__all__ = ["ON_POSTGRES", "ON_SQLITE", "WAYS", "Around", "Tx", "Way", "sqlite_engine", "way_on"]

Around = Callable[[Any], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True)
class Tx:
    """A transaction that is open."""

    given: Any
    """What a user passes to `tx=`."""
    write: Callable[[str], Any]
    """Insert a user by name."""
    savepoint: Callable[[], AbstractAsyncContextManager[Any]]
    """Open a savepoint: released at the end of its block, rolled back by an error."""
    crash: Callable[[], Awaitable[Any]]
    """Cut the connection off, as the death of its process does."""


class Way(ABC):
    """One library, on one database, in which one table is the test's own."""

    def __init__(self, url: str, column: str) -> None:
        self.url = url
        """URL of a connection of asyncq whose tables lie there."""
        self.table = f"users_{uuid4().hex}"
        self.ddl = f"CREATE TABLE {self.table} (n {column} PRIMARY KEY, name TEXT NOT NULL)"
        self.select = f"SELECT name FROM {self.table} ORDER BY n"  # noqa: S608  # the name is our own

    def insert(self, place: str) -> str:
        """Return the statement that inserts a user, whose name stands for the given placeholder."""
        return f"INSERT INTO {self.table} (name) VALUES ({place})"  # noqa: S608  # the name is our own

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
    def __init__(self, directory: Path, servers: Shared) -> None:
        self.path = directory / "shop.db"
        super().__init__(f"sqlite:///{self.path}?", "INTEGER")

    async def names(self) -> Sequence[str]:
        async with aiosqlite.connect(self.path) as database:
            return [name for (name,) in await database.execute_fetchall(self.select)]


class _Postgres(Way):
    def __init__(self, directory: Path, servers: Shared) -> None:
        self.server = servers.url("postgres")
        super().__init__(f"{self.server}?prefix=t_{uuid4().hex}", "BIGSERIAL")

    async def names(self) -> Sequence[str]:
        connection = await asyncpg.connect(self.server)
        try:
            return [str(row["name"]) for row in await connection.fetch(self.select)]
        finally:
            await connection.close()


class Aiosqlite(_Sqlite):
    """A connection whose user writes BEGIN and COMMIT."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with aiosqlite.connect(self.path) as database:
            await database.execute(self.ddl)
        yield

    @asynccontextmanager
    async def transaction(self, around: Around = nullcontext) -> AsyncGenerator[Tx]:
        async with aiosqlite.connect(self.path, isolation_level=None) as database, around(database):
            await database.execute("BEGIN IMMEDIATE")
            yield Tx(
                database,
                lambda name: database.execute(self.insert("?"), (name,)),
                lambda: _savepoint(database, around),
                database.close,
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


class Asyncpg(_Postgres):
    """A connection of asyncpg."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        await install(self.url)
        connection = await asyncpg.connect(self.server)
        await connection.execute(self.ddl)
        yield
        await connection.execute(f"DROP TABLE {self.table}")
        await connection.close()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any]:
        """Keep a connection open."""
        connection = await asyncpg.connect(self.server)
        try:
            yield connection
        finally:
            await connection.close()

    @asynccontextmanager
    async def transaction(self, around: Around = nullcontext) -> AsyncGenerator[Tx]:
        async with self.connection() as connection, around(connection), connection.transaction():
            yield Tx(
                connection,
                lambda name: connection.execute(self.insert("$1"), name),
                lambda: _nested(connection, around),
                lambda: _cut(connection),
            )


@asynccontextmanager
async def _nested(connection: Any, around: Around) -> AsyncGenerator[None]:
    async with around(connection), connection.transaction():
        yield


async def _cut(connection: Any) -> None:
    connection.terminate()


class Pooled(Asyncpg):
    """A connection of asyncpg's pool, which is a new object each time."""

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Any]:
        async with asyncpg.create_pool(self.server, min_size=1, max_size=2) as pool, pool.acquire() as connection:
            yield connection


class _Engine(Way):
    """SQLAlchemy."""

    engine: AsyncEngine

    @abstractmethod
    def make(self) -> AsyncEngine:
        """Make the engine."""

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        await install(self.url)
        self.engine = self.make()
        async with self.engine.begin() as connection:
            await connection.execute(text(self.ddl))
        yield
        async with self.engine.begin() as connection:
            await connection.execute(text(f"DROP TABLE {self.table}"))
        await self.engine.dispose()

    async def cut(self, connection: AsyncConnection) -> None:
        """Cut a connection off."""
        raw: Any = (await connection.get_raw_connection()).driver_connection
        await (raw.close() if isinstance(raw, aiosqlite.Connection) else _cut(raw))
        await connection.invalidate()  # the pool would lend it to the next

    async def execute(self, executes: AsyncSession | AsyncConnection, name: str) -> None:
        """Insert a user."""
        await executes.execute(text(self.insert(":name")), {"name": name})


class _Sessions(_Engine):
    @asynccontextmanager
    async def transaction(self, around: Around = nullcontext) -> AsyncGenerator[Tx]:
        async with AsyncSession(self.engine) as session, around(session), session.begin():
            connection = await session.connection()
            yield Tx(
                session, lambda name: self.execute(session, name), session.begin_nested, lambda: self.cut(connection)
            )


class _Connections(_Engine):
    @asynccontextmanager
    async def transaction(self, around: Around = nullcontext) -> AsyncGenerator[Tx]:
        async with self.engine.connect() as connection, around(connection), connection.begin():
            yield Tx(
                connection,
                lambda name: self.execute(connection, name),
                connection.begin_nested,
                lambda: self.cut(connection),
            )


def sqlite_engine(path: Path, **options: Any) -> AsyncEngine:
    """Make an engine whose transactions begin where SQLAlchemy says they do, as its documentation advises."""
    engine = create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"isolation_level": None}, **options)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class _OnSqlite(_Engine, _Sqlite):
    def make(self) -> AsyncEngine:
        return sqlite_engine(self.path)


class _OnPostgres(_Engine, _Postgres):
    def make(self) -> AsyncEngine:
        return create_async_engine(self.server.replace("postgresql://", "postgresql+asyncpg://"))


class SqliteSessions(_Sessions, _OnSqlite):
    """SQLAlchemy's sessions on aiosqlite."""


class SqliteConnections(_Connections, _OnSqlite):
    """SQLAlchemy's connections on aiosqlite."""


class PostgresSessions(_Sessions, _OnPostgres):
    """SQLAlchemy's sessions on asyncpg."""


class PostgresConnections(_Connections, _OnPostgres):
    """SQLAlchemy's connections on asyncpg."""


ON_SQLITE: dict[str, Callable[[Path, Shared], Way]] = {
    "aiosqlite": Aiosqlite,
    "sqlite-session": SqliteSessions,
    "sqlite-connection": SqliteConnections,
}
ON_POSTGRES: dict[str, Callable[[Path, Shared], Way]] = {
    "asyncpg": Asyncpg,
    "asyncpg-pool": Pooled,
    "postgres-session": PostgresSessions,
    "postgres-connection": PostgresConnections,
}
WAYS = {**ON_SQLITE, **ON_POSTGRES}


def way_on(name: str, directory: Path, servers: Shared) -> Way:
    """Make a database of its own in a folder, or a table and a schema of its own on a server."""
    return WAYS[name](directory, servers)
