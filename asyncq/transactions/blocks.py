"""Blocks around transactions of asyncpg and aiosqlite, whose connections tell nobody when they commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Any

from asyncq.errors import ConfigError
from asyncq.transactions.holding import Held, Level
from asyncq.transactions.scopes import enter, leave, scopes
from asyncq.transactions.sending import send_off

__all__ = ["block"]


class BlockScope:
    """The blocks of one connection in one context, as transaction and savepoints."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.pinned = 1
        self.levels = [Level()]

    def level(self) -> Level | None:
        """Return the innermost block's."""
        return self.levels[-1] if self.levels else None


def block(connection: Any, library: str) -> AbstractAsyncContextManager[None]:
    """Return the block: the outermost is the transaction, one within it a savepoint."""
    import_module(f"asyncq.transactions.{library}").check("after_commit(…)", connection)
    return _block(connection, library)


@asynccontextmanager
async def _block(connection: Any, library: str) -> AsyncGenerator[None]:
    outer = _outer(connection)
    if outer is not None:
        with _Savepoint(outer):
            yield
        return
    if _in_transaction(connection, library):
        raise ConfigError(
            f"after_commit(…): a transaction is open already on this {library} connection, which does not tell when it "
            f"ends; put the block around it, or use a SQLAlchemy session"
        )
    scope = BlockScope(connection)
    enter(scope)
    level = scope.levels[0]
    try:
        yield
    except BaseException:
        level.drop()
        raise
    finally:
        scope.levels.clear()
        leave(scope)
    await _send(level, connection, library)


async def _send(level: Level, connection: Any, library: str) -> None:
    """Send what waited for the end of the outermost block."""
    if _in_transaction(connection, library):
        level.abandon()
        raise ConfigError(
            f"after_commit(…): the transaction on this {library} connection is still open at the end of the block, so "
            "what was dispatched in it is dropped; commit inside the block"
        )
    task = send_off(level, Held())
    if task is not None:
        await asyncio.shield(task)


class _Savepoint:
    """A block within a block."""

    def __init__(self, scope: BlockScope) -> None:
        self._scope = scope
        self._level = Level()

    def __enter__(self) -> None:
        self._scope.levels.append(self._level)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        levels = self._scope.levels
        place = levels.index(self._level)
        inner, levels[place:] = levels[place:], []
        for level in inner:
            if error is None:
                level.join(levels[-1])
            else:
                level.drop()


def _outer(connection: Any) -> BlockScope | None:
    for scope in scopes.get():
        if isinstance(scope, BlockScope) and scope.levels and _same(scope.connection, connection):
            return scope
    return None


def _same(one: Any, other: Any) -> bool:
    """Compare connections below the proxies of a pool."""
    return getattr(one, "_con", one) is getattr(other, "_con", other)


def _in_transaction(connection: Any, library: str) -> bool:
    return bool(connection.is_in_transaction() if library == "asyncpg" else connection.in_transaction)
