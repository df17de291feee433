"""Which sessions and connections of SQLAlchemy are followed: those of a block, and those of what was installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, cast
from weakref import WeakSet

from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, SessionTransaction

from asyncq.errors import WrongType
from asyncq.transactions.connections import Connections, ConnectionScope
from asyncq.transactions.scopes import enter, leave, scopes
from asyncq.transactions.sending import send_off
from asyncq.transactions.sessions import Sessions, SessionScope
from asyncq.transactions.sqlalchemy import subject_of

__all__ = ["block", "install", "uninstall"]

_MARK: Final = "asyncq.after_commit"


class Following:
    """All that is followed in this process: SQLAlchemy tells of transactions per class and engine, not per app."""

    def __init__(self) -> None:
        self._engines: WeakSet[Engine] = WeakSet()
        self.connections = Connections(self._wants)
        self.sessions = Sessions(self._wants_session, self.connections)
        self._listens = False

    def install(self, target: AsyncEngine | async_sessionmaker[Any]) -> int:
        """Follow an engine or a factory; answers how many that adds."""
        self.sessions.listen()
        if not self._listens:
            self._listens = True
            event.listen(Session, "after_begin", self._took)
        if isinstance(target, AsyncEngine):
            self.connections.listen(target.sync_engine)
            return _add(self._engines, target.sync_engine)
        return _mark(target, on=True)

    def uninstall(self, target: AsyncEngine | async_sessionmaker[Any]) -> int:
        """Follow it no more; answers how many that takes away."""
        if isinstance(target, AsyncEngine):
            return _remove(self._engines, target.sync_engine)
        return _mark(target, on=False)

    def _wants(self, engine: Engine) -> bool:
        # A copy of an engine with other execution options shares its pool.
        return any(engine.pool is other.pool for other in self._engines)

    def _wants_session(self, session: Session) -> bool:
        bind = session.bind
        return _MARK in session.info or (bind is not None and self._wants(bind.engine))

    def _took(self, session: Session, transaction: SessionTransaction, connection: Connection) -> None:
        """A session began to use a connection: it is the session's, unless it was given with what is open on it."""
        if not self.sessions.follows(session) and self._wants(connection.engine):
            enter(self.sessions.use(session, connection))  # only now is it known which of several engines it uses
        if connection is not session.bind and self.sessions.follows(session):
            self.connections.leave_to_session(connection)


_following = Following()


def install(target: Any) -> int:
    """Follow all sessions, and for an engine all connections."""
    return _following.install(_checked(target))


def uninstall(target: Any) -> int:
    """Undo it."""
    return _following.uninstall(_checked(target))


def _checked(target: Any) -> Any:
    if not isinstance(target, (AsyncEngine, async_sessionmaker)):
        raise WrongType(f"after_commit.install(…) takes an AsyncEngine or an async_sessionmaker, not {target!r}")
    return cast("Any", target)


def block(subject: Any, library: str) -> AbstractAsyncContextManager[None]:
    """Return the block around transactions of one session or connection."""
    return _block(subject_of("after_commit(…)", subject))


@asynccontextmanager
async def _block(subject: AsyncSession | AsyncConnection) -> AsyncGenerator[None]:
    scope: SessionScope | ConnectionScope
    if isinstance(subject, AsyncSession):
        scope = _following.sessions.catch_up(subject.sync_session)
    else:
        assert subject.sync_connection is not None  # it is open
        scope = _following.connections.follow(subject.sync_connection)
    known = scope in scopes.get()
    enter(scope)
    scope.pinned += 1
    try:
        yield
    except BaseException:
        if scope.pinned == 1:
            scope.loose.drop()
        raise
    finally:
        scope.pinned -= 1
        if not known:
            leave(scope)
    if not scope.pinned:
        send_off(scope.loose, scope.held)
    if scope.held.last is not None and not scope.held.last.done():
        await asyncio.shield(scope.held.last)


def _mark(factory: async_sessionmaker[Any], *, on: bool) -> int:
    """Let a factory mark its sessions, in the notes that SQLAlchemy keeps with each; say whether that is new."""
    info = dict(factory.kw.get("info") or {})
    if (_MARK in info) is on:
        return 0
    factory.configure(info={**info, _MARK: True} if on else {key: info[key] for key in info if key != _MARK})
    return 1


def _add(known: WeakSet[Any], item: Any) -> int:
    new = item not in known
    known.add(item)
    return int(new)


def _remove(known: WeakSet[Any], item: Any) -> int:
    there = item in known
    known.discard(item)
    return int(there)
