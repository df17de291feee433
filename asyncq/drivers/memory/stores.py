"""The stores of a memory driver but batches and funnels: locks, limits, failed jobs, signals, results, outbox.

The async methods take the lock of the state. The methods with a name of one of `Effects`' words do not: a settlement
calls them while it holds the lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from asyncq.clock import Clock
from asyncq.drivers.memory.bell import Bell, Bells
from asyncq.drivers.memory.expiring import Expiring
from asyncq.drivers.memory.slots import Slots
from asyncq.ids import new_id
from asyncq.records import FailedJob, FailedPage, LimitState, OutboxRow, Signal, StoredResult

__all__ = ["MemoryFailed", "MemoryLimits", "MemoryLocks", "MemoryOutbox", "MemoryResults", "MemorySignals"]

Guard = AbstractContextManager[object]


class MemoryLocks:
    """Locks, for one process."""

    def __init__(self, guard: Guard, clock: Clock) -> None:
        self._guard = guard
        self._owners: Expiring[str] = Expiring(clock.monotonic)

    async def acquire(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Take the lock if it is free, expired, or already this owner's."""
        with self._guard:
            if self._owners.get(key) not in {None, owner}:
                return False
            self._owners.put(key, owner, ttl)
            return True

    async def release(self, key: str, owner: str, /) -> bool:
        """Free the lock if it is this owner's."""
        with self._guard:
            return self.unlock(key, owner)

    def unlock(self, key: str, owner: str) -> bool:
        """Do what `release` does, under the lock of the state."""
        return self._owners.get(key) == owner and self._owners.pop(key) is not None

    async def extend(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Restart the life of this owner's lock."""
        with self._guard:
            if self._owners.get(key) != owner:
                return False
            self._owners.put(key, owner, ttl)
            return True

    async def owner(self, key: str, /) -> str | None:
        """Return who holds the lock now."""
        with self._guard:
            return self._owners.get(key)

    async def force(self, key: str, /) -> None:
        """Free the lock, whoever holds it."""
        with self._guard:
            self._owners.pop(key)


class MemoryLimits:
    """Windows, for one process."""

    def __init__(self, guard: Guard, clock: Clock) -> None:
        self._guard = guard
        self._hits: Expiring[list[int]] = Expiring(clock.monotonic)
        self._log = Slots(clock.monotonic)

    async def hit(self, key: str, /, *, limit: int, per: float, sliding: bool = False) -> LimitState:
        """Count one hit if the window has room."""
        with self._guard:
            if sliding:
                return self._log.take(key, new_id(), limit, per)
            state = self._state(key, limit)
            if not state.allowed:
                return state
            hits = self._hits.get(key)
            if hits is None:
                self._hits.put(key, hits := [0], per)
            hits[0] += 1
            return replace(state, remaining=state.remaining - 1)

    async def state(self, key: str, /, *, limit: int, sliding: bool = False) -> LimitState:
        """Say whether a hit would be allowed now."""
        with self._guard:
            return self._log.state(key, limit) if sliding else self._state(key, limit)

    def _state(self, key: str, limit: int) -> LimitState:
        hits = self._hits.get(key)
        left = max(0, limit - (hits[0] if hits else 0))
        return LimitState(left > 0, left, 0.0 if left else self._hits.left(key))

    async def clear(self, key: str, /) -> None:
        """Forget the windows of both kinds."""
        with self._guard:
            self._hits.pop(key)
            self._log.clear(key)


class MemoryFailed:
    """Jobs that failed for good."""

    def __init__(self, guard: Guard, clock: Clock) -> None:
        self._guard = guard
        self._clock = clock
        self._jobs: dict[str, FailedJob] = {}

    async def add(self, jobs: Sequence[FailedJob], /) -> None:
        """Keep the jobs."""
        with self._guard:
            for job in jobs:
                self.failed(job)

    def failed(self, job: FailedJob) -> None:
        """Keep one job, under the lock of the state."""
        self._jobs.pop(job.id, None)
        self._jobs[job.id] = job if job.failed_at else replace(job, failed_at=self._clock.now())

    async def get(self, ids: Sequence[str], /) -> Sequence[FailedJob]:
        """Return the records among these ids, in their order."""
        with self._guard:
            return [self._jobs[id] for id in ids if id in self._jobs]

    async def page(
        self, /, *, queue: str | None = None, name: str | None = None, limit: int = 50, offset: int = 0
    ) -> FailedPage:
        """List records, newest first."""
        with self._guard:
            jobs = [job for job in self._jobs.values() if queue in {None, job.queue} and name in {None, job.name}]
        # Turned round as a whole: of two that failed at one instant the later record comes first.
        jobs = sorted(jobs, key=lambda job: job.failed_at)[::-1]
        return FailedPage(tuple(jobs[offset : offset + limit]), len(jobs))

    async def remove(self, ids: Sequence[str], /, *, until: float | None = None) -> int:
        """Forget records, with `until` those that failed by then."""
        last = float("inf") if until is None else until
        with self._guard:
            gone = {id for id in ids if id in self._jobs and self._jobs[id].failed_at <= last}
            for id in gone:
                del self._jobs[id]
        return len(gone)

    async def prune(self, /, *, older: float) -> int:
        """Forget old records."""
        with self._guard:
            before = self._clock.now() - older
            old = [id for id, job in self._jobs.items() if job.failed_at < before]
            for id in old:
                del self._jobs[id]
            return len(old)


class MemorySignals:
    """Flags shared by the workers of a process."""

    def __init__(self, guard: Guard, clock: Clock) -> None:
        self._guard = guard
        self._clock = clock
        self._signals: Expiring[Signal] = Expiring(clock.monotonic)

    async def put(self, name: str, value: bytes, /, *, ttl: float | None = None) -> None:
        """Set a flag."""
        with self._guard:
            self._signals.put(name, Signal(name, value, self._clock.now()), ttl)

    async def get(self, names: Sequence[str], /) -> Mapping[str, Signal]:
        """Return the flags among these names that are set."""
        with self._guard:
            return {name: signal for name in names if (signal := self._signals.get(name)) is not None}

    async def page(self, prefix: str, /) -> Sequence[Signal]:
        """Return all set flags whose name starts so, by name."""
        with self._guard:
            return [signal for name, signal in self._signals.live() if name.startswith(prefix)]

    async def forget(self, names: Sequence[str], /) -> int:
        """Unset flags."""
        with self._guard:
            return sum(self._signals.pop(name) is not None for name in names)


class MemoryResults:
    """Results of jobs."""

    def __init__(self, guard: Guard, clock: Clock) -> None:
        self._guard = guard
        self._clock = clock
        self._results: Expiring[StoredResult] = Expiring(clock.monotonic)
        self._bells = Bells()

    async def put(self, result: StoredResult, /) -> None:
        """Keep a result."""
        with self._guard:
            self.result(result)

    def result(self, result: StoredResult) -> None:
        """Keep a result, under the lock of the state."""
        self._results.put(result.id, result, result.ttl)
        self._bells.ring(result.id)

    async def get(self, id: str, /) -> StoredResult | None:
        """Return the result if it is still kept."""
        with self._guard:
            return self._results.get(id)

    async def wait(self, id: str, /, *, timeout: float) -> StoredResult | None:
        """Return the result as soon as it is there, or None after `timeout` seconds."""
        bell = Bell()
        with self._guard:
            found = self._results.get(id)
            if found is None:
                self._bells.hang([id], bell)
        try:
            await bell.heard(0.0 if found else timeout, self._clock)
        finally:
            with self._guard:
                self._bells.remove([id], bell)
        return found or await self.get(id)

    async def forget(self, ids: Sequence[str], /) -> None:
        """Forget these results."""
        with self._guard:
            for id in ids:
                self._results.pop(id)

    async def prune(self) -> int:
        """Forget results whose time is over."""
        with self._guard:
            return self._results.sweep()


class MemoryOutbox:
    """Effects for stores of others."""

    def __init__(self, guard: Guard, clock: Clock) -> None:
        self._guard = guard
        self._rows: dict[str, OutboxRow] = {}
        self._leases: Expiring[bool] = Expiring(clock.monotonic)

    async def put(self, rows: Sequence[OutboxRow], /) -> None:
        """Write rows by themselves."""
        with self._guard:
            self.outbox(rows)

    def outbox(self, rows: Iterable[OutboxRow]) -> None:
        """Write rows, under the lock of the state."""
        for row in rows:
            self._rows.setdefault(row.id, row)

    async def take(self, *, limit: int, lease: float) -> Sequence[OutboxRow]:
        """Lease the oldest rows."""
        with self._guard:
            free = (row for id, row in self._rows.items() if not self._leases.get(id))
            taken = [row for row, _ in zip(free, range(limit), strict=False)]
            for row in taken:
                self._leases.put(row.id, True, lease)
            return taken

    async def done(self, ids: Sequence[str], /) -> None:
        """Forget rows that were relayed."""
        with self._guard:
            for id in ids:
                self._rows.pop(id, None)
                self._leases.pop(id)
