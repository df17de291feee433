"""The protocols of the stores: what a backend keeps beside its jobs.

What `asyncq.contracts` says of all calls holds here too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from asyncq.payload import Envelope
from asyncq.records import (
    BatchPage,
    BatchRecord,
    BatchStrike,
    FailedJob,
    FailedPage,
    LimitState,
    OutboxRow,
    Signal,
    StoredResult,
)

__all__ = [
    "BatchStore",
    "Changes",
    "FailedStore",
    "FunnelStore",
    "LimitStore",
    "LockStore",
    "Outbox",
    "ResultStore",
    "SignalStore",
    "Stores",
    "Telling",
    "Waking",
]


class LockStore(Protocol):
    """Locks with an owner; the fence is the owner's name, so give each holder a new one."""

    async def acquire(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Take the lock if it is free, expired, or already this owner's (then its life starts anew)."""
        ...

    async def release(self, key: str, owner: str, /) -> bool:
        """Free the lock if it is this owner's; False changes nothing."""
        ...

    async def extend(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Restart the life of this owner's lock; False where it is no longer held."""
        ...

    async def owner(self, key: str, /) -> str | None:
        """Return who holds the lock now."""
        ...

    async def force(self, key: str, /) -> None:
        """Free the lock, whoever holds it."""
        ...


class LimitStore(Protocol):
    """Hits counted in windows, of one of two kinds; a key may have a window of each, which know nothing of each other.

    A fixed window starts at its first hit and is over as a whole. In a sliding one each hit counts for `per` seconds of
    its own, so that in no span of that length there are more than `limit`. It is a log of hits, not the estimate from
    two counters that is common too: that one lets more through than it says, and cannot say when there is room. The
    price is an entry for each counted hit while it counts, never more than `limit` of them.
    """

    async def hit(self, key: str, /, *, limit: int, per: float, sliding: bool = False) -> LimitState:
        """Count one hit if the window has room; a refused hit is not counted."""
        ...

    async def state(self, key: str, /, *, limit: int, sliding: bool = False) -> LimitState:
        """Say whether a hit would be allowed now and how many are left, without counting one."""
        ...

    async def clear(self, key: str, /) -> None:
        """Forget the windows of both kinds."""
        ...


class FunnelStore(Protocol):
    """Slots, so many for a key; each has an owner and a life, so that the slot of a holder that died becomes free."""

    async def acquire(self, key: str, owner: str, /, *, limit: int, ttl: float) -> LimitState:
        """Take a slot if fewer than `limit` are held, or restart the life of this owner's.

        Where it is refused, `retry_after` says when the first slot becomes free at the latest.
        """
        ...

    async def release(self, key: str, owner: str, /) -> bool:
        """Free this owner's slot; False where it holds none."""
        ...

    async def extend(self, key: str, owner: str, /, *, ttl: float) -> bool:
        """Restart the life of this owner's slot; False where it is no longer held."""
        ...

    async def state(self, key: str, /, *, limit: int) -> LimitState:
        """Say whether a slot is free now and how many are, without taking one."""
        ...

    async def clear(self, key: str, /) -> None:
        """Free all slots, whoever holds them."""
        ...


class BatchStore(Protocol):
    """Batches as sets of unfinished member ids; counts are derived from the sets."""

    async def create(self, record: BatchRecord, members: Sequence[str], /) -> bool:
        """Store the batch with its members; False where the id was there already.

        `created_at` 0.0 asks the store to fill it in; the counts of the record are not read. Without members the batch
        is finished at once, and its `then` and `finally` go to the outbox.
        """
        ...

    async def grow(self, batch: str, members: Sequence[str], /, *, by: str | None = None) -> bool:
        """Add members, decided in one step: only while the batch is unfinished, or `by` is one of its live members.

        A member that the batch has or had is not added again.
        """
        ...

    async def strike(self, strikes: Sequence[BatchStrike], /) -> Sequence[Envelope]:
        """Count ends of members, each member once, and write the callbacks that are now due to the outbox.

        Conditions, in the order in which they become due: `progress` at each end, `then` when all ended well, `catch`
        at the first failure, `failure` at each failure, `finally` when none is unfinished. Ids are derived, so that a
        repeat is harmless: `batch:<id>:then`, and `batch:<id>:progress:<member>` for progress and failure.
        A first failure cancels a batch that does not allow failures. Returns the envelopes that became due; the
        outbox has each as `asyncq.outbox.push_row(envelope, "")`.
        """
        ...

    async def cancel(self, batch: str, /) -> bool:
        """Mark the batch as cancelled; False where it was already, or is unknown."""
        ...

    async def get(self, batch: str, /) -> BatchRecord | None:
        """Return the batch with its counts."""
        ...

    async def page(self, /, *, limit: int = 50, offset: int = 0) -> BatchPage:
        """List batches, newest first."""
        ...

    async def remove(self, batch: str, /) -> bool:
        """Forget one batch."""
        ...

    async def prune(
        self, /, *, finished: float | None = None, unfinished: float | None = None, cancelled: float | None = None
    ) -> int:
        """Forget batches older than so many seconds, by kind; None leaves a kind alone."""
        ...


class FailedStore(Protocol):
    """Jobs that failed for good."""

    async def add(self, jobs: Sequence[FailedJob], /) -> None:
        """Keep the jobs; a later record of the same id replaces the earlier one."""
        ...

    async def get(self, ids: Sequence[str], /) -> Sequence[FailedJob]:
        """Return the records among these ids, in their order."""
        ...

    async def page(
        self, /, *, queue: str | None = None, name: str | None = None, limit: int = 50, offset: int = 0
    ) -> FailedPage:
        """List records, newest first."""
        ...

    async def remove(self, ids: Sequence[str], /, *, until: float | None = None) -> int:
        """Forget records; returns how many there were.

        `until` is a record's `failed_at`: records that failed later are kept, such as that of a job which was retried
        and has failed again meanwhile.
        """
        ...

    async def prune(self, /, *, older: float) -> int:
        """Forget records that failed more than so many seconds ago; returns how many."""
        ...


class SignalStore(Protocol):
    """Flags shared by workers and commands: pauses, restart marks, cancel marks, heartbeats, progress."""

    async def put(self, name: str, value: bytes, /, *, ttl: float | None = None) -> None:
        """Set a flag; with `ttl` it vanishes after so many seconds."""
        ...

    async def get(self, names: Sequence[str], /) -> Mapping[str, Signal]:
        """Return the flags among these names that are set."""
        ...

    async def page(self, prefix: str, /) -> Sequence[Signal]:
        """Return all set flags whose name starts so, by name."""
        ...

    async def forget(self, names: Sequence[str], /) -> int:
        """Unset flags; returns how many were set."""
        ...


class Changes(Protocol):
    """Hears of changed flags."""

    async def wait(self, seconds: float, /) -> str | None:
        """Return the name of a flag that was set or unset, as soon as it was; None after so many seconds.

        May return None earlier, where changes may have been missed: look after each wait.
        """
        ...


@runtime_checkable
class Telling(Protocol):
    """A signal store that tells of changes, so that who follows them need not ask each second."""

    def changes(self, names: Sequence[str], /) -> AbstractAsyncContextManager[Changes]:
        """Hear of changes of these flags while the block lasts."""
        ...


class ResultStore(Protocol):
    """Results of jobs, for a while."""

    async def put(self, result: StoredResult, /) -> None:
        """Keep a result; a later one of the same id replaces it."""
        ...

    async def get(self, id: str, /) -> StoredResult | None:
        """Return the result if it is still kept."""
        ...

    async def wait(self, id: str, /, *, timeout: float) -> StoredResult | None:
        """Return the result as soon as it is there, or None after `timeout` seconds."""
        ...

    async def forget(self, ids: Sequence[str], /) -> None:
        """Forget these results, such as those of jobs that are to run again."""
        ...

    async def prune(self) -> int:
        """Forget results whose time is over; returns how many."""
        ...


class Outbox(Protocol):
    """Effects for stores that their writer does not own; any worker relays them, at least once."""

    async def put(self, rows: Sequence[OutboxRow], /) -> None:
        """Write rows by themselves; a row whose id is there already is kept as it was."""
        ...

    async def take(self, *, limit: int, lease: float) -> Sequence[OutboxRow]:
        """Lease the oldest rows for so many seconds, in which no other worker gets them."""
        ...

    async def done(self, ids: Sequence[str], /) -> None:
        """Forget rows that were relayed."""
        ...


@runtime_checkable
class Waking(Protocol):
    """An outbox that wakes who relays it, so that what a user's transaction wrote there need not wait for a look."""

    async def wait(self, *, timeout: float) -> None:
        """Return when there may be a row to take, or after so many seconds; it may be cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class Stores:
    """The stores that a driver brings; None where it has none."""

    locks: LockStore | None = None
    limits: LimitStore | None = None
    funnels: FunnelStore | None = None
    batches: BatchStore | None = None
    failed: FailedStore | None = None
    signals: SignalStore | None = None
    results: ResultStore | None = None
    outbox: Outbox | None = None
