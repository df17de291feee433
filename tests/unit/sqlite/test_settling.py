"""Ends of many attempts at once, some of them no longer ours."""

from __future__ import annotations

from pathlib import Path

from asyncq.payload import Done, Settlement
from tests.unit.sqlite.files import driver_at, job

MANY = 12


async def test_stale_ones_among_many_are_told_apart(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        await driver.push([job(f"{number:02}") for number in range(MANY)])
        held = (await driver.reserve(["default"], limit=MANY)).items
        settlements = [Settlement(item, Done()) for item in held]
        assert await driver.settle(settlements[:3]) == []
        assert list(await driver.settle(settlements)) == list(held[:3])
        sizes = (await driver.sizes(["default"]))["default"]
        assert sizes.reserved == sizes.ready == 0


async def test_of_two_ends_of_one_attempt_among_many_the_first_counts(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        await driver.push([job(f"{number:02}") for number in range(MANY)])
        held = (await driver.reserve(["default"], limit=MANY)).items
        settlements = [Settlement(item, Done()) for item in (*held, held[5])]
        assert list(await driver.settle(settlements)) == [held[5]]


async def test_ids_that_json_must_escape_are_forgotten_like_others(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        odd = ['"', "\\", "\n", "é", "😀", "$.a", "a[0]", "\x01", ""]
        await driver.push([job(id) for id in odd])
        held = (await driver.reserve(["default"], limit=MANY)).items
        assert await driver.settle([Settlement(item, Done()) for item in held]) == []
        assert sorted(item.id for item in held) == sorted(odd)
        sizes = (await driver.sizes(["default"]))["default"]
        assert sizes.reserved == sizes.ready == 0
