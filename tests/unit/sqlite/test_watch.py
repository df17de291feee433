"""Waiting: for whom it wakes, and how seldom it looks."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from asyncq.drivers.sqlite import watch
from asyncq.drivers.sqlite.step import Step
from asyncq.payload import Released, Settlement
from asyncq.records import StoredResult
from tests.unit.sqlite.files import driver_at, job


class Looks:
    """Counts the closer looks at the file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        soonest = watch._soonest  # pyright: ignore[reportPrivateUsage]

        def counted(step: Step, asked: str) -> int | None:
            self.count += 1
            return soonest(step, asked)

        monkeypatch.setattr(watch, "_soonest", counted)


async def test_a_push_of_the_same_driver_wakes_at_once(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        waiting = asyncio.ensure_future(driver.wait(["default"], timeout=60))
        # Long enough that the next look of its own would come late.
        await asyncio.sleep(0.3)
        await driver.push([job("a")])
        for _ in range(5):
            await asyncio.sleep(0)
        assert waiting.done()


async def test_pushes_to_other_queues_do_not_even_make_it_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks(monkeypatch)
    async with driver_at(tmp_path / "queue.db") as driver:
        waiting = asyncio.ensure_future(driver.wait(["default"], timeout=60))
        await asyncio.sleep(0.001)
        for number in range(200):
            await driver.push([job(f"{number}", queue="other")])
        assert not waiting.done()
        # Its own looks go on, 20 ms apart at the soonest.
        assert looks.count < 100
        waiting.cancel()


async def test_another_process_with_other_queues_does_not_end_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver, driver_at(path) as other:
        waiting = asyncio.ensure_future(driver.wait(["default"], timeout=60))
        for number in range(20):
            await other.push([job(f"{number}", queue="other")])
            await asyncio.sleep(0.005)
        assert not waiting.done()
        await other.push([job("mine")])
        async with asyncio.timeout(1):
            await waiting


async def test_an_idle_wait_looks_closer_once_and_costs_next_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = Looks(monkeypatch)
    async with driver_at(tmp_path / "queue.db") as driver:
        start = time.process_time()
        await driver.wait(["default"], timeout=1.0)
        assert looks.count == 1
        # Measured 0.5 ms; the bound only shows that it does not spin.
        assert time.process_time() - start < 0.05


async def test_a_lock_of_another_process_does_not_disturb_a_wait(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver, driver_at(path) as other:
        await driver.push([job("a")])
        (held,) = (await driver.reserve(["default"], limit=1)).items
        waiting = asyncio.ensure_future(driver.wait(["default"], timeout=60))
        await asyncio.sleep(0.03)
        await other.settle([Settlement(held, Released(0.05))])
        async with asyncio.timeout(1):
            await waiting
        assert len((await driver.reserve(["default"], limit=1)).items) == 1


async def test_a_result_of_another_process_ends_its_wait(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver, driver_at(path) as other:
        assert driver.stores.results is not None
        assert other.stores.results is not None
        waiting = asyncio.ensure_future(driver.stores.results.wait("a", timeout=60))
        await asyncio.sleep(0.03)
        await other.stores.results.put(StoredResult("a", b"1", 60.0))
        async with asyncio.timeout(1):
            assert await waiting == StoredResult("a", b"1", 60.0)
