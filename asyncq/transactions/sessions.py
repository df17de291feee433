"""Transactions and savepoints of SQLAlchemy's sessions, as its events tell of them."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakKeyDictionary, ref

from sqlalchemy import Connection, event
from sqlalchemy.orm import Session, SessionTransaction

from asyncq.transactions.connections import Connections
from asyncq.transactions.greenlets import await_sent
from asyncq.transactions.holding import Held, Level
from asyncq.transactions.scopes import enter
from asyncq.transactions.sending import send_off
from asyncq.transactions.writes import Writes

__all__ = ["SessionScope", "Sessions"]


class SessionScope:
    """What waits for the transactions of one session."""

    def __init__(self, session: Session) -> None:
        self._session = ref(session)
        self.pinned = 0
        self.loose = Level()
        """What was dispatched in a block while nothing was open."""
        self.held = Held()
        self.wrote = False
        """Whether the transaction may have changed something."""
        self._levels: WeakKeyDictionary[SessionTransaction, Level] = WeakKeyDictionary()
        self._committed: WeakKeyDictionary[SessionTransaction, None] = WeakKeyDictionary()
        self._rolled_back: WeakKeyDictionary[SessionTransaction, None] = WeakKeyDictionary()

    def level(self) -> Level | None:
        """Return what is open now, within a block also what is not yet."""
        session = self._session()
        transaction = None if session is None else _innermost(session)
        if transaction is None:
            return self.loose if self.pinned else None
        return self._level_of(transaction)

    def _level_of(self, transaction: SessionTransaction) -> Level:
        level = self._levels.get(transaction)
        if level is None:
            level = self._levels[transaction] = Level()
            if not transaction.nested:
                self.loose.join(level)
        return level

    def begun(self, transaction: SessionTransaction) -> None:
        """Take note of a new transaction: it takes over what waits for one."""
        self.wrote = False
        if self.loose.parcels:
            self._level_of(transaction)

    def committed(self, session: Session) -> None:
        """Take note that the innermost was committed; it ends next."""
        transaction = _innermost(session)
        if transaction is not None:
            self._committed[transaction] = None

    def rolled_back(self, session: Session) -> None:
        """Take note that the innermost was rolled back, on purpose or by an error; it ends next."""
        transaction = _innermost(session)
        if transaction is not None:
            self._rolled_back[transaction] = None

    def sent(self) -> None:
        """Take note that one of its connections has committed; the session tells when all have."""

    def cut_off(self) -> None:
        """Take note that a commit was begun, and nobody heard how it ended."""
        session = self._session()
        transaction = None if session is None else _innermost(session)
        if transaction is not None:
            self._level_of(transaction).doubt()

    def ended(self, transaction: SessionTransaction) -> Level | None:
        """Settle what waited for it; returns what is to be sent now."""
        level = self._levels.pop(transaction, None)
        if level is None:
            return None
        parent, kept = transaction.parent, transaction in self._committed
        if transaction in self._rolled_back or (parent is not None and not kept):
            level.drop()
        elif parent is not None:
            level.join(self._level_of(parent))
        elif kept or not self.wrote:
            return level  # one that was closed and has only read had nothing to commit
        else:
            level.abandon()
        return None


def _innermost(session: Session) -> SessionTransaction | None:
    return session.get_nested_transaction() or session.get_transaction()


class Sessions:
    """The sessions that are followed. Those of which `wanted` says so join when their transaction begins."""

    def __init__(self, wanted: Callable[[Session], bool], connections: Connections) -> None:
        self._scopes: WeakKeyDictionary[Session, SessionScope] = WeakKeyDictionary()
        self._wanted = wanted
        self._connections = connections
        self._writes = Writes()
        self._listens = False

    def listen(self) -> None:
        """Hear of the transactions of all sessions, since nobody tells of new sessions."""
        if not self._listens:
            self._listens = True
            event.listen(Session, "after_transaction_create", self._begun)
            event.listen(Session, "after_begin", self._uses)
            event.listen(Session, "after_commit", self._committed)
            event.listen(Session, "after_rollback", self._rolled_back)
            event.listen(Session, "after_transaction_end", self._ended)

    def follow(self, session: Session) -> SessionScope:
        """Return what waits for this session, from now on."""
        self.listen()
        scope = self._scopes.get(session)
        if scope is None:
            scope = self._scopes[session] = SessionScope(session)
        return scope

    def use(self, session: Session, connection: Connection) -> SessionScope:
        """Follow a session from the moment on in which its transaction took a connection."""
        scope = self.follow(session)
        self._hear(connection, scope)
        return scope

    def catch_up(self, session: Session) -> SessionScope:
        """Follow a session in whose transaction, where one is open, nobody has heard of writes so far."""
        new = not self.follows(session)
        scope = self.follow(session)
        if new:
            scope.wrote = session.in_transaction()
        return scope

    def follows(self, session: Session) -> bool:
        """Say whether this session is followed."""
        return session in self._scopes

    def _begun(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is not None:
            return
        if self._wanted(session):
            scope = self.follow(session)
            scope.begun(transaction)
            enter(scope)
        elif (known := self._scopes.get(session)) is not None:
            known.begun(transaction)

    def _uses(self, session: Session, transaction: SessionTransaction, connection: Connection) -> None:
        scope = self._scopes.get(session)
        if scope is not None:
            self._hear(connection, scope)

    def _hear(self, connection: Connection, scope: SessionScope) -> None:
        self._writes.watch(connection, scope)
        self._connections.tell(connection, scope)

    def _committed(self, session: Session) -> None:
        scope = self._scopes.get(session)
        if scope is not None:
            scope.committed(session)

    def _rolled_back(self, session: Session) -> None:
        scope = self._scopes.get(session)
        if scope is not None:
            scope.rolled_back(session)

    def _ended(self, session: Session, transaction: SessionTransaction) -> None:
        scope = self._scopes.get(session)
        level = None if scope is None else scope.ended(transaction)
        if scope is None or level is None:
            return
        outer = self._connections.level_of(session.bind) if isinstance(session.bind, Connection) else None
        if outer is not None:
            level.join(outer)
        else:
            await_sent(send_off(level, scope.held))
