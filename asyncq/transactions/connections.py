"""Transactions and savepoints of SQLAlchemy's connections that no session uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, event

from asyncq.transactions.greenlets import await_sent
from asyncq.transactions.holding import Held, Level
from asyncq.transactions.scopes import enter, leave
from asyncq.transactions.sending import send_off
from asyncq.transactions.writes import origin

__all__ = ["ConnectionScope", "Connections"]


class ConnectionScope:
    """What waits for the transactions of one connection."""

    def __init__(self) -> None:
        self.pinned = 0
        self.loose = Level()
        """What was dispatched in a block while nothing was open."""
        self.held = Held()
        self._levels: list[Level] = []
        """The transaction and its savepoints."""

    def level(self) -> Level | None:
        """Return what is open now, within a block also what is not yet."""
        if self._levels:
            return self._levels[-1]
        return self.loose if self.pinned else None

    def catch_up(self, connection: Connection) -> None:
        """Take note of what is open already where the connection is followed from now on."""
        if self._levels or not connection.in_transaction():
            return
        self.begun()
        nested: Any = connection.get_nested_transaction()
        while nested is not None:
            self.saved()
            nested = getattr(nested, "_previous_nested", None)

    def begun(self) -> None:
        """Take note of a transaction: it takes over what waits for one."""
        self._levels = [Level(list(self.loose.take()))]

    def saved(self) -> None:
        """Take note of a savepoint."""
        self._levels.append(Level())

    def unsaved(self, *, released: bool) -> None:
        """Take note of the end of the innermost savepoint."""
        if len(self._levels) > 1:
            level = self._levels.pop()
            level.join(self._levels[-1]) if released else level.drop()

    def sent(self) -> None:
        """Take note that it was committed."""
        await_sent(send_off(self.over(), self.held))

    def cut_off(self) -> None:
        """Take note that a commit was begun, and nobody heard how it ended."""
        self.over().doubt()

    def over(self) -> Level:
        """Return all that waited for the transaction, which has ended."""
        whole = Level()
        for level in self._levels:
            level.join(whole)
        self._levels = []
        return whole


class Committer(Protocol):
    """What hears how the commit of a connection ended."""

    def sent(self) -> None:
        """Take note that it was committed."""
        ...

    def cut_off(self) -> None:
        """Take note that nobody knows."""
        ...


class Connections:
    """The connections that are followed; all of an engine that `wanted` names, others as they are asked for."""

    def __init__(self, wanted: Callable[[Engine], bool]) -> None:
        self._wanted = wanted
        self._scopes: WeakKeyDictionary[Connection, ConnectionScope] = WeakKeyDictionary()
        self._heard: WeakKeyDictionary[Any, None] = WeakKeyDictionary()
        """Dialects of the engines that are listened to."""
        self._committers: WeakKeyDictionary[Connection, Committer] = WeakKeyDictionary()
        """Of connections that sessions use."""
        self._committing: WeakKeyDictionary[Any, Committer] = WeakKeyDictionary()
        """By what a dialect commits: the commit is under way."""

    def listen(self, engine: Engine) -> None:
        """Hear of the transactions of an engine's connections."""
        if engine.dialect in self._heard:
            return
        self._heard[engine.dialect] = None
        engine = origin(engine)
        event.listen(engine, "begin", self._begun)
        event.listen(engine, "rollback", self._rolled_back)
        event.listen(engine, "savepoint", self._saved)
        event.listen(engine, "rollback_savepoint", self._rolled_back_to)
        event.listen(engine, "release_savepoint", self._released)
        event.listen(engine, "commit", self._commits)
        self._hear_commits(engine)

    def _hear_commits(self, engine: Engine) -> None:
        """Hear also when a commit has happened: the engine's own event comes before it, and it may fail yet."""
        dialect = engine.dialect
        commit = dialect.do_commit

        def do_commit(raw: Any) -> None:
            try:
                commit(raw)
            except BaseException as error:
                committer = self._committing.pop(raw, None)
                # Where the database refused it, what waits is dropped by the rollback that follows.
                if committer is not None and _cuts_off(dialect, error, raw):
                    committer.cut_off()
                raise
            committer = self._committing.pop(raw, None)
            if committer is not None:
                committer.sent()

        dialect.do_commit = do_commit  # type: ignore[method-assign, assignment]  # it is bound

    def tell(self, connection: Connection, committer: Committer) -> None:
        """Let a session hear how the commits of the connection that it uses end."""
        self.listen(connection.engine)
        self._committers[connection] = committer

    def follow(self, connection: Connection) -> ConnectionScope:
        """Return what waits for this connection, from now on."""
        self.listen(connection.engine)
        scope = self._scope(connection)
        scope.catch_up(connection)
        return scope

    def _scope(self, connection: Connection) -> ConnectionScope:
        scope = self._scopes.get(connection)
        if scope is None:
            scope = self._scopes[connection] = ConnectionScope()
        return scope

    def level_of(self, connection: Connection) -> Level | None:
        """Return what is open on a connection, if it is followed."""
        scope = self._scopes.get(connection)
        return None if scope is None else scope.level()

    def leave_to_session(self, connection: Connection) -> None:
        """Forget a connection that a session took for its transaction."""
        scope = self._scopes.pop(connection, None)
        if scope is not None:
            leave(scope)

    def _begun(self, connection: Connection) -> None:
        if self._wanted(connection.engine):
            self._scope(connection).begun()
            enter(self._scope(connection))
        elif (scope := self._scopes.get(connection)) is not None:
            scope.begun()

    def _rolled_back(self, connection: Connection) -> None:
        if (scope := self._scopes.get(connection)) is not None:
            scope.over().drop()

    def _saved(self, connection: Connection, name: str) -> None:
        if (scope := self._scopes.get(connection)) is not None:
            scope.saved()

    def _rolled_back_to(self, connection: Connection, name: str, context: None) -> None:
        if (scope := self._scopes.get(connection)) is not None:
            scope.unsaved(released=False)

    def _released(self, connection: Connection, name: str, context: None) -> None:
        if (scope := self._scopes.get(connection)) is not None:
            scope.unsaved(released=True)

    def _commits(self, connection: Connection) -> None:
        committer = self._scopes.get(connection) or self._committers.get(connection)
        if committer is not None:
            self._committing[connection.connection] = committer


def _cuts_off(dialect: Dialect, error: Any, raw: Any) -> bool:
    """Say whether an error leaves open what the database has done; one of its own says that it refused."""
    refused = isinstance(error, dialect.loaded_dbapi.Error)
    return not refused or dialect.is_disconnect(error, raw, None)
