"""How tests wait for a worker, and look at what it left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import anyio

from asyncq import AsyncQ, JobHandle
from asyncq.cli.heartbeats import beats_of
from asyncq.contracts import Driver
from asyncq.events import Event
from asyncq.records import FailedJob, QueueSize
from asyncq.stores import FailedStore
from asyncq.testing.conformance.backend import eventually

__all__ = ["Heard", "beat_of", "empty", "eventually", "failed_jobs", "size_of", "until"]

E = TypeVar("E", bound=Event)


async def size_of(app: AsyncQ, queue: str = "default") -> QueueSize:
    """Count the jobs of a queue on the default connection."""
    driver = (await app.engine()).driver(app.default)
    return (await driver.sizes([queue]))[queue]


async def empty(app: AsyncQ, *queues: str, within: float = 5.0) -> None:
    """Return when the queues (without any: the default one) hold no job any more, in whatever state."""
    with anyio.fail_after(within):
        for queue in queues or ("default",):
            while (await size_of(app, queue)).total:  # noqa: ASYNC110 - a queue has no event
                await anyio.sleep(0.002)


async def failed_jobs(app: AsyncQ) -> Sequence[FailedJob]:
    """Return the failed jobs of the default connection, newest first."""
    engine = await app.engine()
    store = engine.failed_store(app.default)
    assert store is not None
    if not engine.driver(app.default).traits.atomic_effects:
        await _at_rest(store)
    return (await store.page()).items


async def _at_rest(store: FailedStore, seconds: float = 0.4) -> None:
    """Return when no record has come for a while: the worker of the test relays them from its outbox."""
    total, since = -1, time.monotonic()
    while time.monotonic() - since < seconds:
        if (now := (await store.page(limit=0)).total) != total:
            total, since = now, time.monotonic()
        await anyio.sleep(0.02)


async def beat_of(driver: Driver, *, ready: bool) -> str | None:
    """Wait for a heartbeat that says so; returns what `asyncq health` says of it."""
    with anyio.fail_after(15):
        while True:
            for beat in await beats_of(driver):
                if beat.state["ready"] is ready:
                    return beat.illness
            await anyio.sleep(0.02)


async def until(handle: JobHandle[object], status: str) -> None:
    """Return when the job has this status."""
    with anyio.fail_after(15):
        while await handle.status() != status:  # noqa: ASYNC110 - a job's state has no event
            await anyio.sleep(0.005)


class Heard:
    """All events of an app, in their order."""

    def __init__(self, app: AsyncQ, *kinds: type[Event]) -> None:
        self.events: list[Event] = []
        for kind in kinds or (Event,):
            app.on(kind)(self.events.append)

    @property
    def names(self) -> list[str]:
        """The types of the events."""
        return [type(event).__name__ for event in self.events]

    def of(self, kind: type[E]) -> list[E]:
        """The events of one type."""
        return [event for event in self.events if isinstance(event, kind)]

    async def until(self, kind: type[Event], times: int = 1) -> None:
        """Return when so many events of this type were heard."""
        holds: Callable[[], bool] = lambda: len(self.of(kind)) >= times  # noqa: E731
        await eventually(holds)
