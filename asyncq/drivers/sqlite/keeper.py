"""Keeps leases from another thread, over a connection of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self, TypeVar

from asyncq.drivers.sqlite.leases import extend, lost
from asyncq.drivers.sqlite.settling import settle
from asyncq.drivers.sqlite.step import Step
from asyncq.drivers.sqlite.transaction import Home, Transactor
from asyncq.drivers.sqlite.undelivered import Undelivered
from asyncq.payload import Reservation, Settlement

__all__ = ["SqliteKeeper"]

T = TypeVar("T")


class SqliteKeeper:
    """Blocking; each call is one transaction. A wait of the driver notices its commits as it does another process's."""

    def __init__(self, home: Home, undelivered: Undelivered, lease: int) -> None:
        self._transactor = Transactor(home, writes=True)
        self._undelivered = undelivered
        self._lease = lease

    def __enter__(self) -> Self:
        self._run(lambda _: None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._transactor.close()

    def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart leases, also of what the writer's thread reserved and a blocked loop has not received."""
        held = list(reservations)
        kept = self._run(lambda step: extend(step, [*held, *self._undelivered.all()], self._lease))
        return lost(held, kept)

    def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts with all their effects; returns those that were stale."""
        return self._run(lambda step: settle(step, settlements))

    def _run(self, work: Callable[[Step], T]) -> T:
        (answer,), _ = self._transactor.run([work])
        result, error = answer
        if error is not None:
            raise error
        value: T = result
        return value
