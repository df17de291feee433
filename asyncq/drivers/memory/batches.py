"""Batches of a memory driver, as sets of unfinished members."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from asyncq.clock import Clock
from asyncq.outbox import push_row
from asyncq.payload import Envelope
from asyncq.records import BatchCounts, BatchPage, BatchRecord, BatchStrike, OutboxRow

__all__ = ["MemoryBatches"]


class _Batch:
    __slots__ = ("failed", "members", "pending", "record")

    def __init__(self, record: BatchRecord) -> None:
        self.record = record
        self.members: set[str] = set()
        self.pending: set[str] = set()
        self.failed: dict[str, None] = {}

    def add(self, members: Iterable[str]) -> None:
        new = set(members) - self.members
        self.members |= new
        self.pending |= new

    def view(self) -> BatchRecord:
        counts = BatchCounts(len(self.members), len(self.pending), len(self.failed))
        return replace(self.record, counts=counts, failed_ids=tuple(self.failed))

    def strike(self, strike: BatchStrike, now: float) -> list[str]:
        """Count one end; returns the names of the conditions that hold now for the first time."""
        if strike.member not in self.pending:
            return []
        self.pending.remove(strike.member)
        first = strike.failed and not self.failed
        if strike.failed:
            self.failed[strike.member] = None
        if first and not self.record.allow_failures:
            self.cancel(now)
        over = self.finish(now)
        due = {"progress": True, "then": "then" in over, "catch": first, "failure": strike.failed}
        return [*(name for name, holds in due.items() if holds), *(["finally"] if over else [])]

    def finish(self, now: float) -> list[str]:
        """Mark the end if no member is unfinished; returns the conditions that this fulfils."""
        if self.pending:
            return []
        self.record = replace(self.record, finished_at=now)
        return ["finally"] if self.failed else ["then", "finally"]

    def cancel(self, now: float) -> bool:
        if self.record.cancelled_at is not None:
            return False
        self.record = replace(self.record, cancelled_at=now)
        return True

    def callbacks(self, names: Iterable[str], member: str = "") -> Iterator[Envelope]:
        for name in names:
            envelope = self.record.callbacks.get(name)
            if envelope is not None:
                per_member = f":{member}" if name in {"progress", "failure"} else ""
                yield replace(envelope, id=f"batch:{self.record.id}:{name}{per_member}")


class MemoryBatches:
    """Batches, for one process."""

    def __init__(
        self, guard: AbstractContextManager[object], clock: Clock, outbox: Callable[[Iterable[OutboxRow]], None]
    ) -> None:
        self._guard = guard
        self._clock = clock
        self._outbox = outbox
        self._batches: dict[str, _Batch] = {}

    async def create(self, record: BatchRecord, members: Sequence[str], /) -> bool:
        """Store the batch with its members."""
        with self._guard:
            if record.id in self._batches:
                return False
            now = self._clock.now()
            created = record.created_at or now
            batch = _Batch(replace(record, created_at=created, finished_at=None, cancelled_at=None))
            batch.add(members)
            self._batches[record.id] = batch
            self._write(batch.callbacks(batch.finish(now)))
            return True

    async def grow(self, batch: str, members: Sequence[str], /, *, by: str | None = None) -> bool:
        """Add members while the batch is unfinished."""
        with self._guard:
            found = self._batches.get(batch)
            # A live member is an unfinished one, so `by` cannot make a difference where counting is one step.
            if found is None or found.record.finished_at is not None:
                return False
            found.add(members)
            return True

    async def strike(self, strikes: Sequence[BatchStrike], /) -> Sequence[Envelope]:
        """Count ends of members."""
        with self._guard:
            return self._write([envelope for strike in strikes for envelope in self.count(strike)])

    def count(self, strike: BatchStrike) -> list[Envelope]:
        """Count one end, under the lock of the state; returns the callbacks, which are the caller's to pass on."""
        batch = self._batches.get(strike.batch)
        if batch is None:
            return []
        return list(batch.callbacks(batch.strike(strike, self._clock.now()), strike.member))

    def _write(self, envelopes: Iterable[Envelope]) -> list[Envelope]:
        due = list(envelopes)
        self._outbox(push_row(envelope, "") for envelope in due)
        return due

    async def cancel(self, batch: str, /) -> bool:
        """Mark the batch as cancelled."""
        with self._guard:
            found = self._batches.get(batch)
            return found is not None and found.cancel(self._clock.now())

    async def get(self, batch: str, /) -> BatchRecord | None:
        """Return the batch with its counts."""
        with self._guard:
            found = self._batches.get(batch)
            return found.view() if found else None

    async def page(self, /, *, limit: int = 50, offset: int = 0) -> BatchPage:
        """List batches, newest first."""
        with self._guard:
            batches = sorted(self._batches.values(), key=lambda batch: batch.record.created_at)[::-1]
            return BatchPage(tuple(batch.view() for batch in batches[offset : offset + limit]), len(batches))

    async def remove(self, batch: str, /) -> bool:
        """Forget one batch."""
        with self._guard:
            return self._batches.pop(batch, None) is not None

    async def prune(
        self, /, *, finished: float | None = None, unfinished: float | None = None, cancelled: float | None = None
    ) -> int:
        """Forget old batches, by kind."""
        with self._guard:
            now = self._clock.now()
            old = [
                id
                for id, batch in self._batches.items()
                if _older(batch.record.finished_at, now, finished)
                or _older(batch.record.cancelled_at, now, cancelled)
                or (batch.record.finished_at is None and _older(batch.record.created_at, now, unfinished))
            ]
            for id in old:
                del self._batches[id]
            return len(old)


def _older(since: float | None, now: float, age: float | None) -> bool:
    return since is not None and age is not None and now - since > age
