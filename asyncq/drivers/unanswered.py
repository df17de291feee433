"""Calls that were given up without an answer: they are cleared up before the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from asyncq.errors import BrokerUnavailable
from asyncq.payload import Reservation, Settlement

__all__ = ["Lost", "Unanswered"]

C = TypeVar("C")
T = TypeVar("T")
End = tuple[str, str]
"""Id and token of a reservation that was settled."""


@dataclass(frozen=True, slots=True)
class Lost(Generic[C]):
    """A call that the server ran, or did not, or runs later when it wakes up."""

    token: str
    call: C
    settlements: Sequence[Settlement]
    leased_from: Sequence[str]
    home: str


class Unanswered(Generic[C]):
    """Without it, jobs that such a call leased would come back as crashes, and ends in it would be told as stale.

    `recover` learns what became of a call and keeps it from running later; it returns the reservations that were stale,
    or None where the call never ran.
    """

    def __init__(self, recover: Callable[[Lost[C]], Awaitable[Sequence[Reservation] | None]]) -> None:
        self._recover = recover
        self._lost: list[Lost[C]] = []
        self._ended: set[End] = set()
        self.leasing: dict[str, Sequence[str]] = {}
        """Tokens of calls on their way that may have leased jobs, with their queues; the keeper's thread reads it."""

    async def run(self, lost: Lost[C], attempt: Awaitable[T]) -> T:
        """Await the attempt at a call, and keep the call in mind as `lost` where its answer does not come."""
        if lost.leased_from:
            self.leasing[lost.token] = lost.leased_from
        try:
            return await attempt
        except (BrokerUnavailable, asyncio.CancelledError):
            self._lost.append(lost)
            raise
        finally:
            self.leasing.pop(lost.token, None)

    async def clear(self, home: str = "") -> None:
        """Learn what became of each such call of one home; raises as `recover` does."""
        for lost in [one for one in self._lost if one.home == home]:
            self._lost.remove(lost)
            try:
                stale = await self._recover(lost)
            except BaseException:
                self._lost.append(lost)
                raise
            if stale is not None:
                self.note(lost.settlements, stale)

    def note(self, settled: Sequence[Settlement], stale: Sequence[Reservation]) -> None:
        """Remember ends whose answer came, and may not be told yet."""
        refused = {(held.id, held.token) for held in stale}
        self._ended |= {_end(item) for item in settled} - refused

    def unsettled(self, settlements: Sequence[Settlement]) -> Sequence[Settlement]:
        """Leave out those that are known to be settled."""
        return [item for item in settlements if _end(item) not in self._ended] if self._ended else settlements

    def forget(self, settlements: Sequence[Settlement]) -> None:
        """Their answers were told."""
        if self._ended:
            self._ended.difference_update(map(_end, settlements))


def _end(settlement: Settlement) -> End:
    return settlement.reservation.id, settlement.reservation.token
