"""Keeps leases from another thread, over a connection and a loop of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from asyncq.drivers.ends import first_ends
from asyncq.drivers.postgres.heads import Heads
from asyncq.drivers.postgres.leasing import extend, settle
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.wire import rung_by
from asyncq.errors import DriverError
from asyncq.payload import Reservation, Settlement

__all__ = ["PostgresKeeper"]

T = TypeVar("T")
_log = logging.getLogger("asyncq.postgres")


class PostgresKeeper:
    """Blocking; used in one thread only."""

    def __init__(self, link: Link, heads: Heads, lease: int, under_way: Mapping[str, Sequence[str]]) -> None:
        self._link = link
        self._heads = heads
        self._lease = lease
        self._under_way = under_way

    def __enter__(self) -> Self:
        # A new one each time: whoever keeps leases comes back after a failure.
        self._runner = asyncio.Runner()
        self._runner.__enter__()
        self._link.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._run(self._link.close())
        self._runner.__exit__(kind, error, trace)

    def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart leases, also of what was reserved and a blocked loop has not received."""
        return self._run(extend(self._link, reservations, self._lease, dict(self._under_way)))

    def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts with all their effects; returns those that were stale."""
        first, late = first_ends(settlements)
        stale = self._run(settle(self._link, first))
        self._heads.forget({item.reservation.queue for item in first})
        if topics := rung_by(first):
            self._run(self._tell(topics))
        return [*stale, *late]

    async def _tell(self, topics: set[str]) -> None:
        try:
            await self._link.run("ring", sorted(topics))
        except DriverError as error:  # a hint that is lost: who waits looks by itself
            _log.debug("nobody was told of %s: %s", topics, error)

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(call)
