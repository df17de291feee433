"""All that one memory store holds, and the settlement that changes several parts of it in one step."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from asyncq.clock import Clock
from asyncq.drivers.memory.batches import MemoryBatches
from asyncq.drivers.memory.jobs import Jobs
from asyncq.drivers.memory.slots import MemoryFunnels
from asyncq.drivers.memory.stores import (
    MemoryFailed,
    MemoryLimits,
    MemoryLocks,
    MemoryOutbox,
    MemoryResults,
    MemorySignals,
)
from asyncq.payload import NO_EFFECTS, Effects, Released, Reservation, Settlement
from asyncq.stores import Stores

__all__ = ["State", "state_of"]


class State:
    """A store that lives as long as the process; `lock` guards it, since the keeper's thread works on it too."""

    __slots__ = ("_batches", "_failed", "_locks", "_outbox", "_results", "clock", "jobs", "lock", "stores")

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.lock = threading.Lock()
        self.jobs = Jobs(clock)
        self._locks = MemoryLocks(self.lock, clock)
        self._failed = MemoryFailed(self.lock, clock)
        self._results = MemoryResults(self.lock, clock)
        self._outbox = MemoryOutbox(self.lock, clock)
        self._batches = MemoryBatches(self.lock, clock, self._outbox.outbox)
        self.stores = Stores(
            locks=self._locks,
            limits=MemoryLimits(self.lock, clock),
            funnels=MemoryFunnels(self.lock, clock),
            batches=self._batches,
            failed=self._failed,
            signals=MemorySignals(self.lock, clock),
            results=self._results,
            outbox=self._outbox,
        )

    def settle(self, settlements: Iterable[Settlement]) -> list[Reservation]:
        """End attempts with all their effects; returns the stale ones. Called under the lock."""
        stale: list[Reservation] = []
        for settlement in settlements:
            record = self.jobs.held(settlement.reservation)
            if record is None:
                stale.append(settlement.reservation)
                continue
            if isinstance(settlement.outcome, Released):
                self.jobs.release(record, settlement.outcome)
            else:
                self.jobs.forget(record)
            if settlement.effects is not NO_EFFECTS:
                self._apply(settlement.effects)
        return stale

    def _apply(self, effects: Effects) -> None:
        if effects.push:
            self.jobs.push(effects.push)
        for key, owner in effects.unlock:
            self._locks.unlock(key, owner)
        if effects.strike is not None:
            self.jobs.push(self._batches.count(effects.strike))
        if effects.failed is not None:
            self._failed.failed(effects.failed)
        if effects.result is not None:
            self._results.result(effects.result)
        self._outbox.outbox(effects.outbox)


# A module global, against the house's rule, because two apps of one process that name one store mean the same jobs.
# By clock too: whoever brings a clock of his own, a test, must not get a store whose time somebody else turns.
_named: dict[tuple[str, Clock], State] = {}
_named_lock = threading.Lock()


def state_of(location: str, clock: Clock) -> State:
    """Return the store of this name, which stays for the life of the process; without a name, a new one."""
    if not location:
        return State(clock)
    with _named_lock:
        return _named.setdefault((location, clock), State(clock))
