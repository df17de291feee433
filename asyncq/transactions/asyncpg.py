"""Transactions of asyncpg."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from asyncq.errors import ConfigError
from asyncq.transactions.adapting import Adapted, refuse

__all__ = ["adapt", "check"]


@dataclass(frozen=True, slots=True)
class AsyncpgTransaction:
    """What is open on a connection, or on a pool's proxy of one."""

    connection: asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

    @property
    def dialect(self) -> Literal["postgresql"]:
        """Which SQL it speaks."""
        return "postgresql"

    async def fetch(self, statement: str, values: Sequence[Any] = (), /) -> Sequence[Sequence[Any]]:
        """Run one statement."""
        return [tuple(row) for row in await self.connection.fetch(statement, *values)]


async def adapt(given: Any, what: str) -> Adapted:
    """Return the transaction of a connection."""
    check(what, given)
    if not given.is_in_transaction():
        raise ConfigError(
            f"{what}: this asyncpg connection has no open transaction, so this would count at once, "
            "whatever becomes of the rest; write `async with connection.transaction():` around both"
        )
    # A pool makes a new proxy each time, and nobody can refer weakly to it.
    return Adapted(AsyncpgTransaction(given), getattr(given, "_con", given))


def check(what: str, given: Any) -> None:
    """Refuse what is no connection."""
    if isinstance(given, asyncpg.Pool):
        refuse(what, given, "write `async with pool.acquire() as connection, connection.transaction():`")
    if not isinstance(given, (asyncpg.Connection, PoolConnectionProxy)):
        refuse(what, given, "give the connection itself")
