"""Engines that stand in for those of one app, on drivers that keep their jobs in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from asyncq.app import AsyncQ
from asyncq.codec import Codec
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.testing.record import Dispatched, Recorder
from asyncq.testing.turnable_clock import TurnableClock
from asyncq.wiring import Engine

__all__ = ["Stage"]

Keep = Callable[[Dispatched[Any]], None]


class Stage:
    """An engine for each loop, with what the app was given, on drivers that all of them share."""

    def __init__(self, app: AsyncQ, clock: TurnableClock, codec: Codec, keep: Keep) -> None:
        self.clock = clock
        self.drivers: dict[str, Driver] = {name: _memory(name, item, clock) for name, item in app.connections.items()}
        self._app = app
        self._plugins = (Recorder(codec, clock.clock, keep),)
        self._engines: WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = WeakKeyDictionary()

    def engine(self) -> Engine:
        """Return the engine of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._engines.get(loop)
        if found is None:
            setup = replace(self._app.setup(), clock=self.clock.clock, plugins=self._plugins, at_once=True)
            found = self._engines[loop] = Engine(self.drivers, setup)
        return found


def _memory(name: str, connection: Connection, clock: TurnableClock) -> Driver:
    lease = connection.settings(name).lease
    return connect(Connection("memory://", lease=lease), name=name, clock=clock.clock)
