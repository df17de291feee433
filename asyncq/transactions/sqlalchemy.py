"""Transactions of SQLAlchemy's asyncio sessions and connections, on asyncpg and aiosqlite."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.exc import UnboundExecutionError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncSession,
    AsyncSessionTransaction,
    AsyncTransaction,
    async_scoped_session,
)

from asyncq.contracts import Statements
from asyncq.errors import ConfigError, NotSupported
from asyncq.transactions.adapting import Adapted, refuse

__all__ = ["adapt", "subject_of"]

T = TypeVar("T")
_DRIVERS: Final = {("postgresql", "asyncpg"), ("sqlite", "aiosqlite")}
_ROWCOUNT: Final = {"preserve_rowcount": True}


@dataclass(frozen=True, slots=True)
class SqlAlchemyTransaction:
    """What is open on a connection; statements go through SQLAlchemy, so that it has begun and sees their errors."""

    connection: AsyncConnection

    @property
    def dialect(self) -> Literal["postgresql", "sqlite"]:
        """Which SQL it speaks."""
        return cast("Literal['postgresql', 'sqlite']", self.connection.dialect.name)

    async def fetch(self, statement: str, values: Sequence[Any] = (), /) -> Sequence[Sequence[Any]]:
        """Run one statement."""
        result = await self.connection.exec_driver_sql(statement, tuple(values))
        return result.all() if result.returns_rows else ()


@dataclass(frozen=True, slots=True)
class LendingTransaction(SqlAlchemyTransaction):
    """The same on SQLite."""

    async def lend(self, work: Callable[[Statements], T], /) -> T:
        """Run work on the connection as blocking code sees it."""
        return await self.connection.run_sync(lambda sync: work(_Blocking(sync)))


@dataclass(frozen=True, slots=True)
class _Blocking:
    """Statements in the form of the database's own library, with errors in SQLAlchemy's."""

    connection: Connection

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Any:
        """Run one statement; returns its result, which reads like a cursor."""
        given = dict(parameters) if isinstance(parameters, Mapping) else tuple(parameters)
        return self.connection.exec_driver_sql(statement, given, execution_options=_ROWCOUNT)


async def adapt(given: Any, what: str) -> Adapted:
    """Return the transaction of a session or a connection; it begins where these begin by themselves."""
    subject = subject_of(what, given)
    connection = subject if isinstance(subject, AsyncConnection) else await _connection_of(subject, what)
    dialect = connection.dialect
    if (dialect.name, dialect.driver) not in _DRIVERS:
        raise NotSupported(
            f"{what} knows SQLAlchemy on postgresql+asyncpg and sqlite+aiosqlite, not on {dialect.name}+"
            f"{dialect.driver}; there only asyncq.after_commit holds dispatches back"
        )
    await _refuse_autocommit(connection, what)
    kind = LendingTransaction if dialect.name == "sqlite" else SqlAlchemyTransaction
    return Adapted(kind(connection), connection.sync_engine)


def subject_of(what: str, given: Any) -> AsyncSession | AsyncConnection:
    """Return the session or connection that is meant.

    Raises:
        WrongType: it is neither.
        ConfigError: it is a connection that is not open.
    """
    subject = _meant(given)
    if not isinstance(subject, (AsyncSession, AsyncConnection)):
        refuse(what, given, "engines, factories and synchronous sessions have no transaction that can be awaited")
    if isinstance(subject, AsyncConnection) and (subject.sync_connection is None or subject.closed):
        raise ConfigError(
            f"{what}: this connection is not open; write `async with engine.connect() as connection:` around both"
        )
    return subject


def _meant(given: Any) -> Any:
    """Return whose transaction it is, where a transaction itself or a registry of sessions was given."""
    if isinstance(given, async_scoped_session):
        return cast("AsyncSession", given())
    if isinstance(given, AsyncSessionTransaction):
        return given.session
    return given.connection if isinstance(given, AsyncTransaction) else given


async def _connection_of(session: AsyncSession, what: str) -> AsyncConnection:
    if not session.in_transaction() and not session.sync_session.autobegin:
        raise ConfigError(
            f"{what}: this session has no open transaction and begins none by itself; "
            "write `async with session.begin():` around both"
        )
    try:
        return await session.connection()
    except UnboundExecutionError as error:
        raise ConfigError(
            f"{what}: this session leaves open which of its databases is meant ({error}); "
            "give tx=await session.connection(bind_arguments={'mapper': …})"
        ) from error


async def _refuse_autocommit(connection: AsyncConnection, what: str) -> None:
    if await connection.run_sync(_commits_by_itself):
        raise ConfigError(
            f"{what}: this connection commits each statement by itself (isolation_level='AUTOCOMMIT'), so this would "
            "count at once, whatever becomes of the rest; use one with another isolation level"
        )


def _commits_by_itself(connection: Connection) -> bool:
    if not connection.in_transaction():
        connection.begin()  # as its first statement would
    raw = connection.connection
    if connection.dialect.name == "sqlite":
        # SQLAlchemy is built on it there, so it is imported.
        from asyncq.transactions.aiosqlite import commits_by_itself

        return commits_by_itself(cast("Any", raw.driver_connection))
    return bool(getattr(raw.dbapi_connection, "autocommit", False))
