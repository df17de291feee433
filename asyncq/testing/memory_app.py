"""An app that keeps its jobs in memory, for one test."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from asyncq.app import AsyncQ
from asyncq.clock import Clock
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.current import Host, apps
from asyncq.project import read_project

__all__ = ["MemoryApp", "memory_app"]


class MemoryApp(AsyncQ):
    """Has the connections of the project by name, each in memory; all loops and threads see the same jobs."""

    def __init__(self) -> None:
        self._made: dict[Clock, Mapping[str, Driver]] = {}
        project = read_project()
        settings = [item.settings(name) for name, item in project.connections.items()]
        super().__init__(
            connections={item.name: Connection("memory://", queue=item.queue, lease=item.lease) for item in settings},
            default=project.default,
            failed=project.default,
        )

    def _drivers(self, clock: Clock) -> Mapping[str, Driver]:
        """Make the drivers once: a new one each time would have a store of its own."""
        if clock not in self._made:
            self._made[clock] = super()._drivers(clock)
        return self._made[clock]


@contextmanager
def memory_app() -> Generator[AsyncQ]:
    """Make such an app and let it be the only open one.

    It need not be entered: each loop opens it at the first dispatch, and closes it when the loop ends. That works in
    fixtures, which have no loop, or another one than the test.
    """
    app = MemoryApp()
    before, alone = apps.open, list[Host]([app])
    apps.open = alone
    try:
        yield app
    finally:
        apps.open = [*before, *(other for other in apps.open if other is not app)]
        apps.built.discard(app)
