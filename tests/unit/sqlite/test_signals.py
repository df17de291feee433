"""Hearing of flags that another process sets."""

from __future__ import annotations

from pathlib import Path

import anyio

from asyncq.stores import Telling
from tests.unit.sqlite.files import driver_at


async def test_a_flag_of_another_process_ends_a_wait_and_silence_does_not(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver, driver_at(path) as other:
        signals = driver.stores.signals
        assert signals is not None
        assert isinstance(signals, Telling)
        assert other.stores.signals is not None
        async with signals.changes(["a"]) as changes:
            await changes.wait(60)  # the first one ends at the next beat: nobody knows what was before
            with anyio.move_on_after(1.5) as quiet:
                await changes.wait(60)
            assert quiet.cancelled_caught
            await other.stores.signals.put("a", b"1")
            with anyio.fail_after(5):
                await changes.wait(60)
            assert (await signals.get(["a"]))["a"].value == b"1"


async def test_a_flag_set_between_two_waits_is_not_missed(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver, driver_at(path) as other:
        signals = driver.stores.signals
        assert signals is not None
        assert isinstance(signals, Telling)
        assert other.stores.signals is not None
        async with signals.changes(["a"]) as changes:
            await changes.wait(60)
            await other.stores.signals.put("a", b"1")
            with anyio.fail_after(5):
                await changes.wait(60)


async def test_the_end_of_a_flag_s_life_is_heard_too(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        signals = driver.stores.signals
        assert signals is not None
        assert isinstance(signals, Telling)
        await signals.put("a", b"1", ttl=1.2)
        async with signals.changes(["a"]) as changes:
            with anyio.fail_after(10):
                while await signals.get(["a"]):
                    await changes.wait(60)
