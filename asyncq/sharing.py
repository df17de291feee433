"""The protocols of a driver that takes part in the transactions of its users; `asyncq.contracts` has them too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from asyncq.payload import Envelope, Pushed, Reservation, Settlement
from asyncq.records import OutboxRow

__all__ = ["Lending", "Statements", "Transaction", "Transactional"]

T = TypeVar("T")


class Transaction(Protocol):
    """An open transaction of the user's, whatever library holds it; it is neither committed nor rolled back here."""

    @property
    def dialect(self) -> Literal["postgresql", "sqlite"]:
        """Which SQL it speaks."""
        ...

    async def fetch(self, statement: str, values: Sequence[Any] = (), /) -> Sequence[Sequence[Any]]:
        """Run one statement, its values in the database's own form ($1 or ?), and return its rows.

        Errors of the library arrive as they are: they are the caller's, as the transaction is.
        """
        ...


class Statements(Protocol):
    """What runs statements of SQL one by one and blocks, as a connection of `sqlite3` does."""

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Any:
        """Run one statement; returns its cursor."""
        ...


@runtime_checkable
class Lending(Protocol):
    """A transaction on a connection that blocks, and that its library keeps in a thread."""

    async def lend(self, work: Callable[[Statements], T], /) -> T:
        """Run work where the connection lives; rows come as tuples, texts as `str`, errors as they are."""
        ...


@runtime_checkable
class Transactional(Protocol):
    """A driver whose tables may lie in its users' own database, where it can take part in their transactions.

    What these calls write exists when the transaction commits, and not at all when it is rolled back, also to a
    savepoint. They retry nothing, and change nothing outside the transaction.
    """

    async def owns(self, transaction: Transaction, /) -> bool:
        """Say whether this driver's tables are the ones in the database of this transaction."""
        ...

    async def push_in(self, transaction: Transaction, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Do what `push` does."""
        ...

    async def settle_in(self, transaction: Transaction, settlement: Settlement, /) -> bool:
        """Do what `settle` does for one attempt; False where the reservation was stale, and nothing was changed."""
        ...

    async def settled(self, reservation: Reservation, /) -> bool | None:
        """Say whether an end that `settle_in` wrote was committed; None while its transaction is seen to be open."""
        ...

    async def note_in(self, transaction: Transaction, rows: Sequence[OutboxRow], /) -> None:
        """Do what the outbox's `put` does."""
        ...
