"""The door through which dispatches join a transaction, or wait for its end."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import replace

from asyncq.contracts import Driver
from asyncq.payload import Pushed
from asyncq.plugin import Pending, Plugin, Send
from asyncq.transactions.joining import Joining, Owners

__all__ = ["Transactions"]


class Transactions(Plugin):
    """Sorts dispatches by what they have to do with transactions, which most have not."""

    def __init__(self, drivers: Mapping[str, Driver]) -> None:
        self._drivers = drivers
        self._owners = Owners(drivers)

    def dispatch(self, pending: Sequence[Pending], send: Send) -> Awaitable[Sequence[Pushed]]:
        """Let pass what has nothing to do with a transaction."""
        for item in pending:
            if item.tx is not None:
                return self._sort(pending, send)
        return send(pending)

    async def _sort(self, pending: Sequence[Pending], send: Send) -> Sequence[Pushed]:
        joining = Joining(self._drivers, self._owners)
        return await send(
            [item if item.tx is None else replace(item, carrier=await joining.carrier(item)) for item in pending]
        )
