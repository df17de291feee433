"""The driver that forgets all it is given: for tests of code that dispatches, and to switch a queue off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.payload import Envelope, Pushed, Reservation, Reserved, Settlement, Traits
from asyncq.records import (
    BatchPage,
    BatchRecord,
    BatchStrike,
    FailedJob,
    FailedPage,
    LimitState,
    OutboxRow,
    QueueSize,
    Signal,
    StoredResult,
)
from asyncq.stores import Stores

__all__ = ["NullDriver", "NullKeeper"]


class NullKeeper:
    """Has nothing to keep: every reservation is lost, every settlement stale."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Answer all as lost."""
        return list(reservations)

    def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """Answer all as stale."""
        return [settlement.reservation for settlement in settlements]


class NullDriver:
    """Takes every job and keeps none, not even its id or unique key. So do its stores; its locks are always free."""

    traits = Traits(persistent=False, shared=False, discards=True, unique_scope="none", virtual_time=True)

    def __init__(self, settings: Settings, clock: Clock) -> None:
        settings.check_options()
        self.name = settings.name
        self.lease = settings.lease
        self.stores = Stores(
            locks=NullLocks(),
            limits=NullLimits(),
            funnels=NullFunnels(),
            batches=NullBatches(),
            failed=NullFailed(),
            signals=NullSignals(),
            results=NullResults(clock),
            outbox=NullOutbox(),
        )
        self._clock = clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Answer that each was created, and forget it."""
        return [Pushed(envelope.id, created=True) for envelope in envelopes]

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Answer nothing."""
        return Reserved()

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return after the timeout: nothing ever comes."""
        await self._clock.wait(max(0.0, timeout))

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """Answer all as stale: there is no job that they could end."""
        return [settlement.reservation for settlement in settlements]

    async def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Answer all as lost."""
        return list(reservations)

    async def sizes(self, queues: Sequence[str], /) -> Mapping[str, QueueSize]:
        """Answer that every queue is empty."""
        return {queue: QueueSize() for queue in queues}

    def keeper(self) -> NullKeeper:
        """Make a keeper that has nothing to keep."""
        return NullKeeper()


class NullLocks:
    """Locks that everybody gets; nobody is known to hold one."""

    async def acquire(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Say yes."""
        return True

    async def release(self, key: str, owner: str, /) -> bool:
        """Say yes, or who acquired would think that the lock was lost."""
        return True

    async def extend(self, key: str, owner: str, /, *, ttl: float | None) -> bool:
        """Say yes, for the same reason."""
        return True

    async def owner(self, key: str, /) -> str | None:
        """Nobody."""
        return None

    async def force(self, key: str, /) -> None:
        """Do nothing."""


class NullLimits:
    """Windows that always have room."""

    async def hit(self, key: str, /, *, limit: int, per: float, sliding: bool = False) -> LimitState:
        """Allow it."""
        return LimitState(True, limit, 0.0)

    async def state(self, key: str, /, *, limit: int, sliding: bool = False) -> LimitState:
        """Allow it."""
        return LimitState(True, limit, 0.0)

    async def clear(self, key: str, /) -> None:
        """Do nothing."""


class NullFunnels:
    """Funnels with a free slot for everybody."""

    async def acquire(self, key: str, owner: str, /, *, limit: int, ttl: float) -> LimitState:
        """Allow it."""
        return LimitState(True, limit, 0.0)

    async def release(self, key: str, owner: str, /) -> bool:
        """Say yes, or who acquired would think that the slot was lost."""
        return True

    async def extend(self, key: str, owner: str, /, *, ttl: float) -> bool:
        """Say yes, for the same reason."""
        return True

    async def state(self, key: str, /, *, limit: int) -> LimitState:
        """Allow it."""
        return LimitState(True, limit, 0.0)

    async def clear(self, key: str, /) -> None:
        """Do nothing."""


class NullBatches:
    """Batches that are gone as soon as they were made."""

    async def create(self, record: BatchRecord, members: Sequence[str], /) -> bool:
        """Say yes, and forget it."""
        return True

    async def grow(self, batch: str, members: Sequence[str], /, *, by: str | None = None) -> bool:
        """Refuse: no batch is known."""
        return False

    async def strike(self, strikes: Sequence[BatchStrike], /) -> Sequence[Envelope]:
        """Nothing becomes due."""
        return []

    async def cancel(self, batch: str, /) -> bool:
        """Refuse: no batch is known."""
        return False

    async def get(self, batch: str, /) -> BatchRecord | None:
        """Nothing."""
        return None

    async def page(self, /, *, limit: int = 50, offset: int = 0) -> BatchPage:
        """Nothing."""
        return BatchPage((), 0)

    async def remove(self, batch: str, /) -> bool:
        """There was none."""
        return False

    async def prune(
        self, /, *, finished: float | None = None, unfinished: float | None = None, cancelled: float | None = None
    ) -> int:
        """There was none."""
        return 0


class NullFailed:
    """Failed jobs that nobody keeps."""

    async def add(self, jobs: Sequence[FailedJob], /) -> None:
        """Forget them."""

    async def get(self, ids: Sequence[str], /) -> Sequence[FailedJob]:
        """Nothing."""
        return []

    async def page(
        self, /, *, queue: str | None = None, name: str | None = None, limit: int = 50, offset: int = 0
    ) -> FailedPage:
        """Nothing."""
        return FailedPage((), 0)

    async def remove(self, ids: Sequence[str], /, *, until: float | None = None) -> int:
        """There was none."""
        return 0

    async def prune(self, /, *, older: float) -> int:
        """There was none."""
        return 0


class NullSignals:
    """Flags that nobody sees."""

    async def put(self, name: str, value: bytes, /, *, ttl: float | None = None) -> None:
        """Forget it."""

    async def get(self, names: Sequence[str], /) -> Mapping[str, Signal]:
        """Nothing."""
        return {}

    async def page(self, prefix: str, /) -> Sequence[Signal]:
        """Nothing."""
        return []

    async def forget(self, names: Sequence[str], /) -> int:
        """There was none."""
        return 0


class NullResults:
    """Results that nobody gets."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def put(self, result: StoredResult, /) -> None:
        """Forget it."""

    async def get(self, id: str, /) -> StoredResult | None:
        """Nothing."""
        return None

    async def wait(self, id: str, /, *, timeout: float) -> StoredResult | None:
        """Nothing, and only after the timeout, so that a loop around it does not spin."""
        await self._clock.wait(max(0.0, timeout))
        return None

    async def forget(self, ids: Sequence[str], /) -> None:
        """There is none."""

    async def prune(self) -> int:
        """There was none."""
        return 0


class NullOutbox:
    """Rows that nobody relays."""

    async def put(self, rows: Sequence[OutboxRow], /) -> None:
        """Forget them."""

    async def take(self, *, limit: int, lease: float) -> Sequence[OutboxRow]:
        """Nothing."""
        return []

    async def done(self, ids: Sequence[str], /) -> None:
        """Do nothing."""
