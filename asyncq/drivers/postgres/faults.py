"""What an error on the way to PostgreSQL means: whether to try again, and the typed error that says the same."""

from __future__ import annotations

from typing import Final

import asyncpg
from asyncpg import exceptions as pg

from asyncq.errors import (
    AsyncqError,
    BrokerUnavailable,
    ConfigError,
    DriverError,
    PayloadTooLarge,
    QueueFull,
    SchemaError,
)

__all__ = ["FAILURES", "blocked", "conflict", "ends_session", "passing", "ran_already", "translate"]

FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, pg.InternalClientError, OSError, EOFError)
"""All that asyncpg raises where a call failed; a deadline that passed is an OSError.

Its internal error is what a call gets on a connection whose end the server has told, and the loop has not seen yet.
"""

_CONFLICTS: Final = (pg.TransactionRollbackError,)
"""The statement was fine, and another transaction was in its way. One that waited for a lock has waited enough."""
_REFUSED: Final = (pg.InvalidAuthorizationSpecificationError, pg.InsufficientPrivilegeError, pg.InvalidCatalogNameError)
_LOST: Final = (
    pg.PostgresConnectionError,  # 08
    pg.AdminShutdownError,
    pg.CrashShutdownError,
    pg.CannotConnectNowError,
    pg.IdleInTransactionSessionTimeoutError,
    pg.ReadOnlySQLTransactionError,  # a server that became a replica
    pg.TooManyConnectionsError,
    pg.QueryCanceledError,
    pg.InternalClientError,
    pg.ConnectionDoesNotExistError,
    OSError,
    EOFError,
)
_MISSING: Final = (
    pg.InvalidSchemaNameError,
    pg.UndefinedTableError,
    pg.UndefinedFunctionError,
    pg.UndefinedColumnError,
)
_POOLED: Final = (pg.InvalidSQLStatementNameError, pg.DuplicatePreparedStatementError)
_FULL: Final = (pg.DiskFullError, pg.OutOfMemoryError)
_BIG: Final = (pg.ProgramLimitExceededError, pg.StringDataRightTruncationError)


def conflict(error: BaseException) -> bool:
    """Say whether the same statement may succeed at once: a deadlock, or a transaction that could not be serialized."""
    return isinstance(error, _CONFLICTS)


def passing(error: BaseException) -> bool:
    """Say whether the same call may succeed soon, on another connection."""
    if isinstance(error, _REFUSED):
        return False
    if isinstance(error, (*_LOST, *_CONFLICTS)):
        return True
    # asyncpg says so, in words only, of a connection that was closed under a call.
    return isinstance(error, pg.InterfaceError) and "closed" in str(error)


def ends_session(error: asyncpg.PostgresError) -> bool:
    """Say whether the server has ended the session too; its end may reach us later than its last word."""
    return error.as_dict().get("severity_en") != "ERROR"


def blocked(error: BaseException) -> bool:
    """Say whether this error of ours tells that another transaction held what a call has waited for."""
    return isinstance(error.__cause__, pg.LockNotAvailableError)


def ran_already(error: BaseException) -> bool:
    """Say whether a call ran before, or was called off: its operation has an answer."""
    return isinstance(error, pg.UniqueViolationError) and error.constraint_name == "ops_pkey"


def translate(error: BaseException, where: str, schema: str) -> AsyncqError:
    """Return the typed error that says the same, the server and what to do."""
    # Details and hints of the server stand in lines of their own; what we say is one line.
    text = str(error).replace("\n", "; ") or type(error).__name__
    if isinstance(error, _MISSING):
        return SchemaError(
            f"{where} has no tables of this asyncq in the schema {schema} ({text}); run: asyncq migrate up"
        )
    if isinstance(error, _POOLED):
        return ConfigError(f"{where} is a pooler of transactions ({text}); add pgbouncer=true to the URL")
    if isinstance(error, _REFUSED):
        return ConfigError(
            f"{where} refuses this user ({text}); check user, password and database in the URL, "
            "and the grants that the page about PostgreSQL lists"
        )
    if isinstance(error, _FULL):
        return QueueFull(f"{where} has no room left ({text}); free space on its disk, or let workers empty the queue")
    if isinstance(error, _BIG):
        return PayloadTooLarge(f"{where} takes no row like this ({text}); store the data elsewhere")
    return _lost(error, where, text)


def _lost(error: BaseException, where: str, text: str) -> AsyncqError:
    if isinstance(error, pg.ReadOnlySQLTransactionError):
        return BrokerUnavailable(f"{where} takes no writes ({text}); connect to the primary")
    if isinstance(error, (pg.LockNotAvailableError, pg.TransactionRollbackError)):
        return BrokerUnavailable(f"{where}: other transactions were in the way for too long ({text})")
    if isinstance(error, TimeoutError):
        return BrokerUnavailable(
            f"{where} did not answer in time; it is too busy, or an open transaction holds what the call needs"
        )
    if passing(error):
        told = text.rstrip(".")
        return BrokerUnavailable(
            f"{where} does not answer ({type(error).__name__}: {told}); start it, or correct the URL"
        )
    return DriverError(f"{where}: {type(error).__name__}: {text}")
