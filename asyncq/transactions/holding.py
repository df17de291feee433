"""Dispatches that wait for a commit, by the transaction or savepoint that they wait for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncq.plugin import Pending, Send

if TYPE_CHECKING:
    from asyncq.transactions.sending import Post

__all__ = ["Held", "Level", "Parcel", "named"]

_log = logging.getLogger("asyncq.transactions")


@dataclass(frozen=True, slots=True, eq=False)
class Parcel:
    """Jobs of one dispatch for one connection, ready to be sent by the engine that they were given to."""

    post: Post
    send: Send
    connection: str
    inline: bool
    """True where the send itself runs them; then what it raises may be an error of theirs."""
    items: tuple[Pending, ...]


@dataclass(slots=True, eq=False)
class Level:
    """What waits for one transaction, or for one savepoint of it, in the order in which it was dispatched."""

    parcels: list[Parcel] = field(default_factory=list[Parcel])

    def hold(self, parcel: Parcel) -> None:
        """Add what shall be sent when this commits."""
        self.parcels.append(parcel)

    def join(self, outer: Level) -> None:
        """Leave all to what this is a part of: a savepoint was released."""
        outer.parcels += self.take()

    def take(self) -> Sequence[Parcel]:
        """Return what waits, once."""
        taken, self.parcels = self.parcels, []
        return taken

    def drop(self) -> None:
        """Forget all: it was rolled back."""
        if self.parcels:
            _log.info("a transaction was rolled back, and with it these dispatches: %s", named(self.take()))

    def abandon(self) -> None:
        """Forget all: it was neither committed nor rolled back, which may not be meant."""
        if self.parcels:
            _log.warning(
                "a transaction was closed without a commit, so these dispatches are dropped: %s; commit it, or "
                "dispatch with after_commit=False what does not depend on it",
                named(self.take()),
            )

    def doubt(self) -> None:
        """Forget all, loudly: nobody knows whether the commit happened, so it may be that they should exist."""
        if self.parcels:
            _log.error(
                "a commit was cut off, so nobody knows whether it happened, and these dispatches are dropped: %s; "
                "where it must not come to that, dispatch with tx=…",
                named(self.take()),
            )


def named(parcels: Sequence[Parcel]) -> str:
    """Name the jobs for a message."""
    items = [item for parcel in parcels for item in parcel.items]
    shown = [f"{item.envelope.name} {item.envelope.id}" for item in items[:20]]
    return ", ".join(shown) + (f" and {len(items) - 20} more" if len(items) > 20 else "")


@dataclass(slots=True)
class Held:
    """The last send of one session or connection; the next one comes after it."""

    last: asyncio.Task[None] | None = None
