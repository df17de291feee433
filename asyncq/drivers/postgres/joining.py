"""Takes part in transactions of users, in the same database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from asyncq.contracts import Transaction
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.wire import ends, pushed, rung_by
from asyncq.payload import Envelope, Pushed, Reservation, Settlement
from asyncq.records import OutboxRow

__all__ = ["Joining"]


class Joining:
    """The part of the PostgreSQL driver that writes where somebody else commits.

    Others are told by the transaction itself: a notification in it is sent when it commits, and not at all otherwise.
    """

    _link: Link
    identity: str | None

    async def owns(self, transaction: Transaction, /) -> bool:
        """Say whether this driver's tables are the ones in the database of this transaction."""
        if transaction.dialect != "postgresql" or self.identity is None:
            return False
        rows = await transaction.fetch(self._link.sql["installed"])
        if not rows[0][0]:
            return False
        rows = await transaction.fetch(self._link.sql["version"])
        return bool(rows[0][1] == self.identity)

    async def push_in(self, transaction: Transaction, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes, if it commits."""
        answers = [Pushed(envelope.id, True) for envelope in envelopes]
        if envelopes:
            rows = await transaction.fetch(self._link.sql["push"], (None, *pushed(envelopes)))
            for place, holder in zip(*rows[0], strict=True):
                answers[place - 1] = Pushed(holder, False)
            # It may commit long after the instant at which they are due.
            await self._tell(transaction, {f"h:{envelope.queue}" for envelope in envelopes})
        return answers

    async def settle_in(self, transaction: Transaction, settlement: Settlement, /) -> bool:
        """End an attempt with all its effects, if it commits; False where the reservation was stale."""
        _, values = ends([settlement])
        stale = (await transaction.fetch(self._link.sql["settle"], values))[0][0]
        if not stale and (topics := rung_by([settlement])):
            await self._tell(transaction, topics)
        return not stale

    async def settled(self, reservation: Reservation, /) -> bool | None:
        """Say whether an end was committed; None while its transaction is open."""
        return cast("bool | None", (await self._link.run("settled", reservation.id))[0][0])

    async def note_in(self, transaction: Transaction, rows: Sequence[OutboxRow], /) -> None:
        """Write rows to the outbox, if it commits."""
        columns = (
            [row.id for row in rows],
            [row.kind for row in rows],
            [row.target for row in rows],
            [row.body for row in rows],
        )
        await transaction.fetch(self._link.sql["outbox_put"], columns)
        await self._tell(transaction, {"o:"})

    async def _tell(self, transaction: Transaction, topics: set[str]) -> None:
        await transaction.fetch(self._link.sql["tell"], (sorted(topics),))
