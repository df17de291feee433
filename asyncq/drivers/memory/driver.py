"""The driver that keeps its jobs in the memory of this process."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.drivers.memory.bell import Bell
from asyncq.drivers.memory.inspection import Inspection
from asyncq.drivers.memory.state import State, state_of
from asyncq.payload import Envelope, Pushed, Reservation, Reserved, Settlement, Traits

__all__ = ["MemoryDriver", "MemoryKeeper"]


class MemoryKeeper:
    """Keeps leases on the same state; the lock makes it safe from a thread of its own."""

    def __init__(self, state: State, lease: float) -> None:
        self._state = state
        self._lease = lease

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart leases. A reserve here is answered in the step that makes it, so there are no others to keep."""
        with self._state.lock:
            return self._state.jobs.extend(reservations, self._lease)

    def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts."""
        with self._state.lock:
            return self._state.settle(settlements)


class MemoryDriver(Inspection):
    """Jobs in memory: `memory://name` is one store for the whole process, `memory://` is this driver's own.

    A named store stays when its drivers are closed, until the process ends. No call but `wait` gives way to others.
    """

    traits = Traits(persistent=False, shared=False, virtual_time=True)

    def __init__(self, settings: Settings, clock: Clock) -> None:
        settings.check_options()
        self.name = settings.name
        self.lease = settings.lease
        self._state = state_of(settings.location, clock)
        self.stores = self._state.stores

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes: all of them or none."""
        with self._state.lock:
            return self._state.jobs.push(envelopes)

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Lease up to `limit` due jobs, and never wait."""
        with self._state.lock:
            return self._state.jobs.reserve(queues, limit=limit, alone=alone, lease=self.lease)

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return when a job of these queues may be reserved, or after `timeout` seconds."""
        bell = Bell()
        bells = self._state.jobs.bells
        with self._state.lock:
            pause = self._state.jobs.pause(queues, timeout)
            bells.hang(queues, bell)
        try:
            await bell.heard(pause, self._state.clock)
        finally:
            with self._state.lock:
                bells.remove(queues, bell)

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts with all their effects; returns those that were stale."""
        with self._state.lock:
            return self._state.settle(settlements)

    async def turn(
        self, settlements: Sequence[Settlement], queues: Sequence[str], /, *, limit: int
    ) -> tuple[Sequence[Reservation], Reserved]:
        """Settle, then reserve, in one step."""
        with self._state.lock:
            stale = self._state.settle(settlements)
            return stale, self._state.jobs.reserve(queues, limit=limit, alone=False, lease=self.lease)

    async def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart the full lease of each; returns those that were lost."""
        with self._state.lock:
            return self._state.jobs.extend(reservations, self.lease)

    def keeper(self) -> MemoryKeeper:
        """Make a keeper that shares this driver's jobs."""
        return MemoryKeeper(self._state, self.lease)
