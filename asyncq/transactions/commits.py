"""`after_commit`: holds dispatches back until the transaction around them is committed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from typing import Any, Final

from asyncq.errors import WrongType
from asyncq.transactions.adapting import library_of, refuse

__all__ = ["AfterCommit", "after_commit"]

_BLOCKS: Final[Mapping[str, str]] = {"aiosqlite": "blocks", "asyncpg": "blocks", "sqlalchemy": "following"}


class AfterCommit:
    """Holds dispatches back until the outermost commit, and drops what is rolled back, for any driver.

    `async with asyncq.after_commit(session), session.begin(): …` does it in one block, `after_commit.install(engine)`
    for all sessions of a process.
    """

    def __init__(self) -> None:
        self.installed = 0
        """How many engines and factories are followed."""

    def __call__(self, subject: Any, /) -> AbstractAsyncContextManager[None]:
        """Hold back what is dispatched within the block, in this task and in those that it starts.

        `subject` is a SQLAlchemy AsyncSession or AsyncConnection: what is dispatched is sent when its outermost
        transaction commits, and dropped when that, or the savepoint around the dispatch, is rolled back. What is
        dispatched while none is open waits for the next one, or for the end of the block. With an asyncpg or aiosqlite
        connection, which tell nothing of their transactions, the block itself is the transaction, and a block within it
        a savepoint: put it around `connection.transaction()`; an error that leaves it drops what it holds.

        Raises:
            WrongType: the subject is none of these.
            ConfigError: the connection is not open, or the block of an asyncpg or aiosqlite connection begins or ends
                inside a transaction.
            DriverError: the broker refused a job after the commit; the transaction stands.
        """
        library = library_of(subject)
        if library is None:
            refuse("after_commit(…)", subject)
        block: AbstractAsyncContextManager[None] = _module(_BLOCKS[library]).block(subject, library)
        return block

    def install(self, target: Any, /) -> None:
        """Do the same for each session of a SQLAlchemy AsyncEngine or async_sessionmaker, from now on.

        With an engine also for its connections. What is dispatched while no transaction is open is sent at once.

        Raises:
            WrongType: the target is neither.
        """
        self.installed += _module("following").install(_checked(target))

    def uninstall(self, target: Any, /) -> None:
        """Undo `install`; transactions that are open keep what they hold."""
        self.installed -= _module("following").uninstall(_checked(target))


def _checked(target: Any) -> Any:
    if library_of(target) != "sqlalchemy":
        raise WrongType(
            f"after_commit.install(…) takes a SQLAlchemy AsyncEngine or async_sessionmaker, not {target!r}; for a "
            "connection of asyncpg or aiosqlite write `async with asyncq.after_commit(connection):`"
        )
    return target


def _module(name: str) -> Any:
    return import_module(f"{__package__}.{name}")


after_commit: Final = AfterCommit()
