"""The time of the queue, whatever the wall clock does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from asyncq.clock import Clock
from asyncq.drivers.sqlite.instants import Instants, micros
from tests.unit.sqlite.files import driver_at, job


class Hands:
    """Two clocks that a test sets apart."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.steady = 50.0
        self.clock = Clock(now=lambda: self.wall, monotonic=lambda: self.steady)

    def pass_(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


def test_a_wall_clock_set_back_neither_turns_time_back_nor_stops_it() -> None:
    hands = Hands()
    instants = Instants(hands.clock)
    before = instants.now()
    hands.wall -= 3600
    assert instants.now() == before
    hands.pass_(2.5)
    assert instants.now() == before + 2_500_000


def test_a_wall_clock_set_forward_is_followed() -> None:
    hands = Hands()
    instants = Instants(hands.clock)
    hands.wall += 3600
    assert instants.now() == micros(hands.wall)


def test_durations_beyond_all_meaning_are_cut() -> None:
    assert micros(-1.0) == 0
    assert micros(float("inf")) == micros(1e300) == 2**62


async def test_a_lease_ends_in_time_though_the_clock_was_set_back(tmp_path: Path) -> None:
    hands = Hands()
    async with driver_at(tmp_path / "queue.db", hands.clock, lease="10") as driver:
        await driver.push([job("a")])
        assert len((await driver.reserve(["default"], limit=1)).items) == 1
        hands.wall -= 86_400
        hands.pass_(9.9)
        assert (await driver.reserve(["default"], limit=1)).items == ()
        hands.pass_(0.2)
        assert [held.crashes for held in (await driver.reserve(["default"], limit=1)).items] == [1]


async def test_a_process_that_starts_after_a_jump_back_goes_on_from_what_was_seen(tmp_path: Path) -> None:
    hands = Hands()
    path = tmp_path / "queue.db"
    async with driver_at(path, hands.clock) as driver:
        hands.pass_(5)
        await driver.push([job("a")])
    late = Hands()
    late.wall -= 86_400
    async with driver_at(path, late.clock) as driver:
        assert [held.id for held in (await driver.reserve(["default"], limit=1)).items] == ["a"]


async def test_the_instant_is_stored_once_a_second_at_most(tmp_path: Path) -> None:
    hands = Hands()
    path = tmp_path / "queue.db"
    other = Hands()
    async with driver_at(path, hands.clock) as driver, driver_at(path, other.clock) as second:
        hands.pass_(100)
        await driver.push([job("a", queue="x")])
        # The second process learns of it when it stamps the next time.
        other.pass_(1.1)
        await second.push([job("b", queue="y")])
        (held,) = (await second.reserve(["y"], limit=1)).items
        assert held.reserved_at == pytest.approx(hands.wall, abs=0.01)


async def test_a_delay_beyond_all_meaning_is_stored(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        await driver.push([replace(job("a"), delay=1e18), replace(job("b"), due_at=-5.0)])
        answer = await driver.reserve(["default"], limit=2)
        assert [held.id for held in answer.items] == ["b"]
        assert answer.next_due is not None
        assert answer.next_due > 1e11
