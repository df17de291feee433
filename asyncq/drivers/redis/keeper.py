"""Keeps leases from another thread, over a blocking connection of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

from redis import exceptions as redis_errors

from asyncq.drivers.ends import first_ends
from asyncq.drivers.redis.calls import Call, extending
from asyncq.drivers.redis.faults import FAILURES, passing, translate
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.settling import ends_by_home, settling, stale_of
from asyncq.errors import DriverError
from asyncq.payload import Reservation, Settlement

__all__ = ["RedisKeeper"]

PAUSE: Final = 0.05


class RedisKeeper:
    """Blocking; used in one thread only."""

    def __init__(
        self,
        connect: Callable[[], Any],
        keys: Keys,
        lease: int,
        under_way: Mapping[str, Sequence[str]],
        *,
        where: str,
        retry_for: float,
    ) -> None:
        self._connect = connect
        self._keys = keys
        self._lease = lease
        self._under_way = under_way
        self._where = where
        self._retry_for = retry_for
        self._client: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart leases, also of what was reserved and a blocked loop has not received."""
        lost: list[Reservation] = []
        failure: DriverError | None = None
        for call, mine in extending(self._keys, reservations, dict(self._under_way), self._lease):
            try:
                lost += [mine[place] for place in self._run(call)]
            except DriverError as error:  # the leases in other slots must not end for it
                failure = error
        if failure is not None:
            raise failure
        return lost

    def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts with all their effects; returns those that were stale."""
        first, late = first_ends(settlements)
        stale: list[Reservation] = []
        for home, mine in ends_by_home(self._keys, first).items():
            stale += stale_of(mine, self._run(settling(self._keys, home, mine)))
        return [*stale, *late]

    def _run(self, call: Call) -> Any:
        """Run a script; tried again where its answer was lost, as the link does it in the loop."""
        ends_at = time.monotonic() + self._retry_for
        while True:
            try:
                return self._evaluate(call)
            except FAILURES as error:
                if not passing(error) or time.monotonic() + PAUSE > ends_at:
                    raise translate(error, self._where) from error
            time.sleep(PAUSE)

    def _evaluate(self, call: Call) -> Any:
        if self._client is None:  # that of a cluster looks for its nodes when it is made, which may fail for a while
            self._client = self._connect()
        try:
            return self._client.execute_command(*call.short)
        except redis_errors.NoScriptError:
            return self._client.execute_command(*call.whole)
