"""Jobs that crashed twice run alone in their worker; the rest of the fleet works on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack

import anyio
import pytest

from asyncq import AsyncQ, Connection, Job
from asyncq.contracts import Driver
from asyncq.payload import Reserved
from tests.behaviour.looking import empty, eventually

LEASE = 1.0
SUSPECTS = 6


class Scene:
    """What runs now, and the gate that lets suspects end."""

    def __init__(self) -> None:
        self.gate = anyio.Event()
        self.running = self.most = self.healthy = 0
        self.beside = 0
        """Suspects that a healthy job saw running."""


class Suspect(Job, max_crashes=0):
    number: int

    async def handle(self) -> None:
        scene.running += 1
        scene.most = max(scene.most, scene.running)
        try:
            await anyio.sleep(0.05)
            await scene.gate.wait()
        finally:
            scene.running -= 1


class Healthy(Job):
    seconds: float = 0.0

    async def handle(self) -> None:
        scene.beside += scene.running
        await anyio.sleep(self.seconds)
        scene.beside += scene.running
        scene.healthy += 1


scene = Scene()


@pytest.fixture
def app(url: str, no_other_app: None, monkeypatch: pytest.MonkeyPatch) -> AsyncQ:
    """An app with a short lease, and a scene of the test's own."""
    monkeypatch.setitem(globals(), "scene", Scene())
    return AsyncQ(Connection(url, lease=LEASE))


async def crash_twice(app: AsyncQ) -> None:
    """Dispatch the suspects, and let two holders die with all of them."""
    driver = (await app.engine()).driver(app.default)
    await app.dispatch_many([Suspect(number=number) for number in range(SUSPECTS)])
    held = 0
    with anyio.fail_after(30):
        while held < 2 * SUSPECTS:
            held += len((await driver.reserve(["default"], limit=SUSPECTS)).items)
            await anyio.sleep(0.02)
        while not (await driver.reserve(["default"], limit=0)).suspects:  # noqa: ASYNC110 - a lease has no event
            await anyio.sleep(0.02)


@pytest.mark.parametrize(("workers", "seats"), [(1, 1), (3, 1), (4, 2)])
async def test_at_most_half_of_the_workers_run_suspects(app: AsyncQ, workers: int, seats: int) -> None:
    async with app, AsyncExitStack() as stack:
        await crash_twice(app)
        for number in range(workers):
            await stack.enter_async_context(app.worker(concurrency=3, name=f"worker-{number}", grace=5.0))
        await eventually(lambda: scene.running == seats)
        if workers > 1:
            await app.dispatch_many([Healthy() for _ in range(20)])
            await eventually(lambda: scene.healthy == 20)
        scene.gate.set()
        await empty(app, within=20.0)
    assert scene.most == seats


class Slow:
    """Holds the answer of a reserve back until somebody asks for a suspect, or a second has passed."""

    def __init__(self, driver: Driver) -> None:
        self._reserve = driver.reserve
        self.lock_asked, self._on_its_way, self._alone_asked = anyio.Event(), anyio.Event(), anyio.Event()
        assert driver.stores.locks is not None
        self._acquire = driver.stores.locks.acquire

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        if alone:
            self._alone_asked.set()
        answer = await self._reserve(queues, limit=limit, alone=alone)
        if answer.items and not alone:
            self._on_its_way.set()
            with anyio.move_on_after(1.0):
                await self._alone_asked.wait()
        return answer

    async def acquire(self, key: str, owner: str, /, *, ttl: float) -> bool:
        self.lock_asked.set()
        await self._on_its_way.wait()
        return await self._acquire(key, owner, ttl=ttl)


async def test_a_suspect_waits_for_an_answer_that_is_on_its_way(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app:
        await crash_twice(app)
        scene.gate.set()
        driver = (await app.engine()).driver(app.default)
        slow = Slow(driver)
        monkeypatch.setattr(driver, "reserve", slow.reserve)
        monkeypatch.setattr(driver.stores.locks, "acquire", slow.acquire)
        async with app.worker(concurrency=3):
            with anyio.fail_after(10):
                await slow.lock_asked.wait()
            await app.dispatch_many([Healthy(seconds=0.1)])
            await empty(app, within=20.0)
    assert (scene.healthy, scene.beside) == (1, 0)
