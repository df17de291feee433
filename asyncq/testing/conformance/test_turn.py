"""What `turn` promises, where there is one: settle, then reserve, in one step."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver, Turning
from asyncq.payload import Done, Effects, Released, Settlement
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, make_suspect, push, reserve, reserve_one, settle

pytestmark = pytest.mark.needs("turning")


async def test_a_turn_settles_and_reserves(driver: Driver) -> None:
    assert isinstance(driver, Turning)
    await push(driver, "a", "b", "c", "d")
    held = await reserve(driver, limit=2)
    stale, answer = await driver.turn([Settlement(one, Done()) for one in held], ["default"], limit=1)
    assert (list(stale), ids(answer.items)) == ([], ["c"])
    assert ids(await reserve(driver)) == ["d"]


async def test_a_turn_reserves_what_its_settlements_put_back_or_pushed(driver: Driver) -> None:
    assert isinstance(driver, Turning)
    await push(driver, "a", "b")
    first, second = await reserve(driver)
    settlements = [
        Settlement(first, Released(None, count="attempt")),
        Settlement(second, Done(), Effects(push=(job("c"),))),
    ]
    _, answer = await driver.turn(settlements, ["default"], limit=10)
    assert [(held.id, held.attempt) for held in answer.items] == [("a", 2), ("c", 1)]


async def test_a_turn_answers_stale_settlements_and_reserves_all_the_same(driver: Driver) -> None:
    assert isinstance(driver, Turning)
    await push(driver, "a", "b")
    held = await reserve_one(driver)
    await settle(driver, held, Done())
    settlement = Settlement(held, Done(), Effects(push=(job("never"),)))
    stale, answer = await driver.turn([settlement], ["default"], limit=10)
    assert (list(stale), ids(answer.items)) == ([held], ["b"])


async def test_a_turn_may_only_settle_or_only_reserve(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Turning)
    await driver.push([job("a"), job("b", delay=backend.unit)])
    _, answer = await driver.turn([], ["default"], limit=5)
    assert ids(answer.items) == ["a"]
    assert answer.next_due == pytest.approx(backend.unit, abs=0.05)
    stale, answer = await driver.turn([Settlement(answer.items[0], Done())], ["default"], limit=0)
    assert (list(stale), answer.items) == ([], ())
    assert (await driver.sizes(["default"]))["default"].reserved == 0


async def test_a_turn_passes_over_suspects(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Turning)
    await make_suspect(backend, driver, "bad")
    await push(driver, "good")
    _, answer = await driver.turn([], ["default"], limit=5)
    assert (ids(answer.items), answer.suspects) == (["good"], True)


async def test_a_turn_settles_before_leases_are_reclaimed(backend: Backend, driver: Driver) -> None:
    """A job whose late worker settles it in this very step was not lost."""
    assert isinstance(driver, Turning)
    await push(driver, "a")
    held = await reserve_one(driver)
    await backend.turn(driver.lease + 0.01)
    stale, answer = await driver.turn([Settlement(held, Done())], ["default"], limit=5)
    assert (list(stale), answer.items) == ([], ())
