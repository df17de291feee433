"""What the drivers have in common that store no jobs but have them run in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.contracts import Hands
from asyncq.drivers.memory.state import state_of
from asyncq.errors import NotOpen
from asyncq.payload import Reservation, Reserved, Settlement, Traits
from asyncq.records import QueueSize

__all__ = ["NoKeeper", "Storeless"]


class NoKeeper:
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


class Storeless:
    """A driver without `push`.

    It stores no jobs, so no id is known twice and no unique key is held. Its stores are those of a memory driver:
    locks, limits and batches work within this process, by name (`sync://name`), else for this driver alone.
    """

    traits = Traits(persistent=False, shared=False, runs_inline=True, unique_scope="none", virtual_time=True)

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.name = settings.name
        self.lease = settings.lease
        self.stores = state_of(settings.location and f"{settings.scheme}://{settings.location}", clock).stores
        self._clock = clock
        self._bound: Hands | None = None

    def bind(self, hands: Hands, /) -> None:
        """Take what runs the jobs."""
        self._bound = hands

    @property
    def _hands(self) -> Hands:
        if self._bound is None:
            raise NotOpen(f"connection {self.name!r} has jobs run in this process, but no app is bound to it yet")
        return self._bound

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        return None

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Answer nothing: what was pushed has run already, or runs."""
        return Reserved()

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return after the timeout: nothing ever waits here for a worker."""
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

    def keeper(self) -> NoKeeper:
        """Make a keeper that has nothing to keep."""
        return NoKeeper()
