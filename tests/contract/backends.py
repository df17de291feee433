"""The backends of the matrix: how a test opens one, and how time passes there."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import uuid4

import anyio
import pytest

from asyncq.config import Connection
from asyncq.contracts import Driver, Installable
from asyncq.drivers import SCHEMES, connect
from asyncq.payload import Traits
from asyncq.testing import TurnableClock
from tests.contract.traits import ROWS, Row
from tests.support.redis.shared import Shared

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

__all__ = ["Backend", "backend_on", "eventually", "problem_of"]


class Backend:
    """One store of one backend, and the clock that its drivers follow."""

    def __init__(self, name: str, directory: Path, server: str = "") -> None:
        self.name = name
        self.row: Row = ROWS[name]
        self.traits: Traits = self.row.traits
        self.clock = TurnableClock(1_800_000_000.0)
        self.url = self.row.url.format(name=uuid4().hex, path=directory / "queue.db", server=server)

    def make(self, **options: str) -> Driver:
        """Make a driver on this test's store; it is not open yet."""
        mark = "&" if "?" in self.url else "?"
        connection = Connection(f"{self.url}{mark}{urlencode({'lease': self.row.lease, **options})}")
        return connect(connection, name=self.name, clock=self.clock.clock)

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
        return self.row.lease / 5


def backend_on(servers: Shared, name: str, directory: Path) -> Backend:
    """A store of its own on the server that its row names; a server that cannot be had skips the test."""
    server = ROWS[name].server
    return Backend(name, directory, servers.url(server) if server else "")


async def eventually(holds: Callable[[], bool], *, within: float = 5.0) -> None:
    """Return when the condition holds; looks at every turn of the loop."""
    with anyio.fail_after(within):
        while not holds():  # noqa: ASYNC110 - what it waits for has no event
            await anyio.sleep(0.001)


def params_of(names: str) -> list[ParameterSet]:
    """Return the backends of a comma list as parameters of a test.

    Where the time is real, a pause of the machine can outlast what a test waits for: such a test is run again.
    """
    known = [name.strip() for name in names.split(",") if name.strip()]
    again = pytest.mark.flaky(reruns=2)
    return [pytest.param(name, marks=[again] if name in ROWS and ROWS[name].server else []) for name in known]


def problem_of(name: str) -> str | None:
    """Say why a backend cannot be used here, or None."""
    if name not in ROWS:
        return f"no row for the backend {name!r} in tests/contract/traits.py; there are {', '.join(ROWS)}"
    scheme = ROWS[name].scheme or name
    if scheme not in SCHEMES:
        return f"no driver for {scheme}://, which is the scheme of the backend {name!r}"
    module, _, attribute = SCHEMES[scheme].partition(":")
    try:
        getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        return f"the driver of {name!r} cannot be imported: {error}"
    return None
