"""The driver under test: how a test opens it, and how time passes there."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Protocol
from urllib.parse import urlencode

import anyio

from asyncq.clock import Clock
from asyncq.config import Connection
from asyncq.contracts import (
    Clearable,
    Driver,
    Findable,
    Inline,
    Inspectable,
    Installable,
    Running,
    Transactional,
    Turning,
)
from asyncq.drivers import connect
from asyncq.payload import Traits
from asyncq.testing.turnable_clock import TurnableClock

__all__ = ["OWN_TIME", "WIDE", "WORDS", "Backend", "abilities", "eventually"]

PROTOCOLS: Final[Mapping[str, type]] = {
    "clearable": Clearable,
    "findable": Findable,
    "inline": Inline,
    "inspectable": Inspectable,
    "installable": Installable,
    "running": Running,
    "transactional": Transactional,
    "turning": Turning,
}
OWN_TIME: Final = frozenset({"prunes_results"})
"""Promises of backends whose results stay until somebody forgets them."""
WIDE: Final = frozenset({"wide_ids"})
"""An id or a unique key stands for one job in all queues of its connection, not only in its own queue."""
WORDS: Final = OWN_TIME | WIDE
"""Promises that are neither a protocol nor a store."""
START: Final = 1_800_000_000.0


class Make(Protocol):
    """Makes a driver that is not open yet, as `asyncq.drivers.connect` does."""

    def __call__(self, connection: Connection, /, *, name: str, clock: Clock) -> Driver: ...


class Backend:
    """One store of the driver under test, and the clock that its drivers follow; the store is empty.

    `url` names the store: two drivers with one URL see the same jobs. `traits` and `promises` are what the driver says
    of itself, and the suite reads them: a test that needs an optional promise which is not made is skipped. Without
    them they are taken from the driver. `lease` is in seconds; where the time is real, 0.5 or more. `histories` is how
    many random histories are tried where the time can be turned. `make` is used in place of the URL's scheme.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        traits: Traits | None = None,
        promises: Iterable[str] | None = None,
        lease: float | None = None,
        histories: int | None = None,
        make: Make = connect,
    ) -> None:
        self.name = name
        self.url = url
        self.clock = TurnableClock(START)
        self._make = make
        self.lease = 1.0
        self.traits = traits or self.make().traits
        virtual = self.traits.virtual_time
        self.lease = lease or (30.0 if virtual else 1.0)
        self.histories = (50 if virtual else 0) if histories is None else histories
        self.promises = frozenset(self._abilities() if promises is None else promises)

    def _abilities(self) -> frozenset[str]:
        wide = WIDE if self.traits.unique_scope == "connection" else frozenset[str]()
        return abilities(self.make()) | wide

    def make(self, **options: str) -> Driver:
        """Make a driver on this test's store; it is not open yet."""
        mark = "&" if "?" in self.url else "?"
        connection = Connection(f"{self.url}{mark}{urlencode({'lease': self.lease, **options})}")
        return self._make(connection, name=self.name, clock=self.clock.clock)

    @asynccontextmanager
    async def open(self, **options: str) -> AsyncGenerator[Driver]:
        """Open a driver on this test's store; a second one is what another client sees."""
        async with self.opened(self.make(**options)) as driver:
            yield driver

    @asynccontextmanager
    async def opened(self, driver: Driver) -> AsyncGenerator[Driver]:
        """Open a driver that is made already, with its tables."""
        async with driver:
            if isinstance(driver, Installable):
                await driver.install()
            yield driver

    def fresh(self) -> AbstractAsyncContextManager[Driver]:
        """Open a second connection, to look at the state."""
        return self.open()

    async def turn(self, seconds: float) -> None:
        """Let so many seconds pass; returns at once where the time is virtual."""
        if self.traits.virtual_time:
            self.clock.turn(seconds)
        else:
            await anyio.sleep(seconds)

    @property
    def unit(self) -> float:
        """A duration in seconds that is long enough to be seen here, and well below the lease."""
        return self.lease / 5


def abilities(driver: Driver) -> frozenset[str]:
    """Return which optional protocols and stores a driver has."""
    protocols = {name for name, protocol in PROTOCOLS.items() if isinstance(driver, protocol)}
    stores = {field.name for field in dataclasses.fields(driver.stores) if getattr(driver.stores, field.name)}
    return frozenset(protocols | stores)


async def eventually(holds: Callable[[], bool], *, within: float = 5.0) -> None:
    """Return when the condition holds; looks at every turn of the loop."""
    with anyio.fail_after(within):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)
