"""The door through which dispatches join a transaction, or wait for its end."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from asyncq.context import Completer
from asyncq.contracts import Driver
from asyncq.payload import Pushed
from asyncq.plugin import Pending, Plugin, Send
from asyncq.transactions.commits import after_commit
from asyncq.transactions.completing import Acceptor, Completing
from asyncq.transactions.holding import Level, Parcel
from asyncq.transactions.joining import Joining, Owners, check_limits
from asyncq.transactions.scopes import open_level, scopes
from asyncq.transactions.sending import Post

__all__ = ["Transactions"]

_log = logging.getLogger("asyncq.transactions")


class Transactions(Plugin):
    """Sorts dispatches by what they have to do with transactions, which most have not.

    `waits` is what each connection says of its dispatches: whether they wait for a commit; None: nothing.
    """

    def __init__(self, drivers: Mapping[str, Driver], waits: Mapping[str, bool | None]) -> None:
        self._drivers = drivers
        self._waits = waits
        self._owners = Owners(drivers)
        self._post = Post()
        self._warned = False

    def completer(self, connection: str, settlers: Sequence[Plugin], *, real: bool) -> Completer:
        """Make what ends the jobs of a connection in transactions of their handlers, or only accepts these."""
        return Completing(self._drivers[connection], self._owners, settlers) if real else Acceptor()

    async def close(self) -> None:
        """Return when everything that was committed has been sent."""
        await self._post.close()

    def dispatch(self, pending: Sequence[Pending], send: Send) -> Awaitable[Sequence[Pushed]]:
        """Let pass what has nothing to do with a transaction."""
        waits = self._waits
        if scopes.get():
            return self._sort(pending, send)
        for item in pending:
            # What says no counts as much as what says nothing, and here only that must be quick.
            if item.tx is not None or item.after_commit or item.job.settings_.after_commit or waits[item.connection]:
                return self._sort(pending, send)
        return send(pending)

    async def _sort(self, pending: Sequence[Pending], send: Send) -> Sequence[Pushed]:
        joining, level = Joining(self._drivers, self._owners), open_level()
        waits = [item.tx is None and self._waits_for(level, item) for item in pending]
        pairs = list(zip(pending, waits, strict=True))
        passed = [await self._joined(joining, item) for item, held in pairs if not held]
        if level is not None and any(waits):
            self._hold(level, send, [item for item, held in pairs if held])
        answers = iter(await send(passed)) if passed else iter(())
        return [Pushed(item.envelope.id, True) if held else next(answers) for item, held in pairs]

    def _hold(self, level: Level, send: Send, items: Sequence[Pending]) -> None:
        for connection in dict.fromkeys(item.connection for item in items):
            mine = tuple(item for item in items if item.connection == connection)
            inline = self._drivers[connection].traits.runs_inline
            level.hold(Parcel(self._post, send, connection, inline, mine))

    async def _joined(self, joining: Joining, item: Pending) -> Pending:
        return item if item.tx is None else replace(item, carrier=await joining.carrier(item))

    def _waits_for(self, level: Level | None, item: Pending) -> bool:
        """Say whether a job is held back: within a transaction that is followed, unless somebody says no."""
        wish = self._wish(item)
        if level is None:
            if wish:
                self._warn(item)
            return False
        if wish is False or self._drivers[item.connection].traits.discards:
            return False
        check_limits(self._drivers[item.connection], item.envelope)
        return True

    def _wish(self, item: Pending) -> bool | None:
        """Return what the call says, else the job's class, else its connection."""
        if item.after_commit is not None:
            return item.after_commit
        said = item.job.settings_.after_commit
        return self._waits.get(item.connection) if said is None else said

    def _warn(self, item: Pending) -> None:
        """Say once that nothing can be waited for, because nobody said what to follow."""
        if not (self._warned or after_commit.installed or scopes.get()):
            self._warned = True
            _log.warning(
                "%s was dispatched with after_commit=True, but no transactions are followed, so it was sent at once; "
                "call asyncq.after_commit.install(engine), or put asyncq.after_commit(session) around the transaction",
                item.envelope.name,
            )
