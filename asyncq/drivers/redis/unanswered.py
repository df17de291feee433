"""Calls that were given up without an answer: they are cleared up before the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncq.drivers.redis.calls import Call, call
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.settling import stale_of
from asyncq.errors import BrokerUnavailable
from asyncq.payload import Reservation, Settlement

__all__ = ["Unanswered"]

End = tuple[str, str]
"""Id and token of a reservation that was settled."""


@dataclass(frozen=True, slots=True)
class _Lost:
    """A call that the server ran, or did not, or runs later when it wakes up."""

    call: Call
    settlements: Sequence[Settlement]
    leased_from: Sequence[str]


class Unanswered:
    """Without it, jobs that such a call leased would come back as crashes, and ends in it would be told as stale."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys
        self._lost: list[_Lost] = []
        self._ended: set[End] = set()
        self.leasing: dict[str, Sequence[str]] = {}
        """Tokens of calls on their way that may have leased jobs, with their queues; the keeper's thread reads it."""

    async def run(self, one: Call, settlements: Sequence[Settlement] = (), queues: Sequence[str] = ()) -> Any:
        """Run a call that ends these attempts, and leases jobs of these queues; raises as the link does."""
        token = _token(one)
        if queues:
            self.leasing[token] = queues
        try:
            return await self._link.run(one)
        except (BrokerUnavailable, asyncio.CancelledError):
            self._lost.append(_Lost(one, settlements, queues))
            raise
        finally:
            self.leasing.pop(token, None)

    async def clear(self, home: str) -> None:
        """Learn what became of each such call of one home, and keep it from running later; raises as the link does."""
        for lost in [one for one in self._lost if one.call.keys[0] == home]:
            self._lost.remove(lost)
            try:
                await self._recover(lost)
            except BaseException:
                self._lost.append(lost)
                raise

    async def _recover(self, lost: _Lost) -> None:
        keys = [lost.call.keys[0], *map(self._keys.base, lost.leased_from)]
        ran, stale = await self._link.run(call("recover", keys, [_token(lost.call), lost.call.script.name]))
        if ran:
            self.note(lost.settlements, stale_of(lost.settlements, stale))

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


def _token(one: Call) -> str:
    return str(one.arguments[0])


def _end(settlement: Settlement) -> End:
    return settlement.reservation.id, settlement.reservation.token
