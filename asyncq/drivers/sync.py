"""The driver that runs each job where it was pushed, before the push returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.drivers.memory.state import state_of
from asyncq.errors import NotOpen
from asyncq.payload import Envelope, Pushed, Reservation, Reserved, Settlement, Traits
from asyncq.records import QueueSize

__all__ = ["SyncDriver", "SyncKeeper"]


class SyncKeeper:
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


class SyncDriver:
    """Runs jobs in the task that pushes them; their errors reach the caller, their delays are ignored.

    It stores no jobs, so no id is known twice and no unique key is held. Its stores are those of a memory driver:
    locks, limits and batches work within this process, by name (`sync://name`), else for this driver alone.
    """

    traits = Traits(persistent=False, shared=False, runs_inline=True, unique_scope="none", virtual_time=True)

    def __init__(self, settings: Settings, clock: Clock) -> None:
        settings.check_options()
        self.name = settings.name
        self.lease = settings.lease
        self.stores = state_of(settings.location and f"sync://{settings.location}", clock).stores
        self._clock = clock
        self._run: Callable[[Envelope], Awaitable[None]] | None = None

    def bind(self, run: Callable[[Envelope], Awaitable[None]], /) -> None:
        """Take the callable that runs one envelope to its end and raises its error."""
        self._run = run

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Run the envelopes one after another; the first error ends the push, and those after it do not run.

        Raises:
            NotOpen: nobody has said yet, by `bind`, how a job is run.
        """
        if self._run is None:
            raise NotOpen(f"connection {self.name!r} runs jobs where they are pushed, but no app is bound to it yet")
        for envelope in envelopes:
            await self._run(envelope)
        return [Pushed(envelope.id, created=True) for envelope in envelopes]

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Answer nothing: what was pushed has run already."""
        return Reserved()

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return after the timeout: nothing ever waits here."""
        await self._clock.wait(max(0.0, timeout))

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """Answer all as stale: there is no stored job that they could end."""
        return [settlement.reservation for settlement in settlements]

    async def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Answer all as lost."""
        return list(reservations)

    async def sizes(self, queues: Sequence[str], /) -> Mapping[str, QueueSize]:
        """Answer that every queue is empty."""
        return {queue: QueueSize() for queue in queues}

    def keeper(self) -> SyncKeeper:
        """Make a keeper that has nothing to keep."""
        return SyncKeeper()
