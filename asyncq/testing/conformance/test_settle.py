"""What `settle` promises about the job itself."""

from __future__ import annotations

from typing import Literal

import pytest

from asyncq.contracts import Driver
from asyncq.payload import Cancelled, Done, Effects, Failed, Outcome, Released, Settlement, Skipped
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, push, reserve, reserve_one, settle, unique_job
from asyncq.testing.conformance.relaying import relayed

ENDS: list[Outcome] = [Done(), Done({"any": object()}), Skipped("no need"), Failed(ValueError("no")), Cancelled()]
ALL: list[Outcome] = [*ENDS, Released(), Released(None, count="nothing", body=b"new")]


@pytest.mark.parametrize("outcome", ENDS, ids=lambda outcome: type(outcome).__name__)
async def test_an_end_forgets_the_job_and_frees_its_key(backend: Backend, driver: Driver, outcome: Outcome) -> None:
    await driver.push([unique_job("key", "a")])
    assert await settle(driver, await reserve_one(driver), outcome) == []
    await backend.turn(driver.lease * 2)
    assert await reserve(driver) == []
    assert (await driver.sizes(["default"]))["default"].total == 0
    assert (await driver.push([unique_job("key", "b")]))[0].created


async def test_settling_nothing_answers_nothing(driver: Driver) -> None:
    assert list(await driver.settle([])) == []


@pytest.mark.parametrize(
    ("count", "attempt", "exceptions"), [("attempt", 2, 0), ("exception", 2, 1), ("nothing", 1, 0)]
)
async def test_a_release_counts_what_it_says(
    driver: Driver, count: Literal["attempt", "exception", "nothing"], attempt: int, exceptions: int
) -> None:
    await push(driver, "a")
    assert await settle(driver, await reserve_one(driver), Released(0.0, count=count)) == []
    held = await reserve_one(driver)
    assert (held.attempt, held.exceptions) == (attempt, exceptions)


async def test_counts_add_up(driver: Driver) -> None:
    await push(driver, "a")
    counts: list[Literal["attempt", "exception", "nothing"]] = ["exception", "attempt", "exception", "nothing"]
    for count in counts:
        await settle(driver, await reserve_one(driver), Released(0.0, count=count))
    held = await reserve_one(driver)
    assert (held.attempt, held.exceptions) == (4, 2)


@pytest.mark.parametrize(("count", "crashes"), [("attempt", 0), ("exception", 0), ("nothing", 1)])
async def test_a_verdict_forgives_crashes_and_a_hand_back_keeps_them(
    backend: Backend, driver: Driver, count: Literal["attempt", "exception", "nothing"], crashes: int
) -> None:
    await push(driver, "a")
    await reserve_one(driver)
    await backend.turn(driver.lease + 0.01)
    held = await reserve_one(driver)
    assert held.crashes == 1
    await settle(driver, held, Released(0.0, count=count))
    assert (await reserve_one(driver)).crashes == crashes


async def test_a_release_with_a_delay_is_due_after_it(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    await backend.turn(backend.unit)
    await settle(driver, held, Released(backend.unit))
    await backend.turn(backend.unit - 0.05)
    assert await reserve(driver) == []
    await backend.turn(0.06)
    assert ids(await reserve(driver)) == ["a"]


async def test_a_release_without_delay_goes_behind_what_waits(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b")
    held = await reserve_one(driver)
    await backend.turn(0.01)
    await settle(driver, held, Released(0.0))
    assert ids(await reserve(driver)) == ["b", "a"]


async def test_a_hand_back_keeps_its_place_at_the_head(backend: Backend, driver: Driver) -> None:
    await push(driver, "m", "z")
    held = await reserve_one(driver)
    await backend.turn(0.01)
    await push(driver, "a")
    await settle(driver, held, Released(None, count="nothing"))
    assert ids(await reserve(driver)) == ["m", "z", "a"]


async def test_a_job_keeps_its_place_through_many_hand_backs(driver: Driver) -> None:
    await push(driver, "a", "b", "c")
    for _ in range(3):
        held = await reserve(driver)
        assert ids(held) == ["a", "b", "c"]
        await driver.settle([Settlement(one, Released(None, count="nothing")) for one in reversed(held)])


async def test_a_new_body_replaces_the_old_one(driver: Driver) -> None:
    await push(driver, "a", body=b"old")
    await settle(driver, await reserve_one(driver), Released(0.0, body=b"new\x00\xff"))
    held = await reserve_one(driver)
    assert held.body == b"new\x00\xff"
    await settle(driver, held, Released(0.0))
    assert (await reserve_one(driver)).body == b"new\x00\xff"


async def test_an_empty_body_is_a_body(driver: Driver) -> None:
    await push(driver, "a", body=b"old")
    await settle(driver, await reserve_one(driver), Released(0.0, body=b""))
    assert (await reserve_one(driver)).body == b""


async def test_a_settled_reservation_is_stale(driver: Driver) -> None:
    await push(driver, "a", "b")
    held = await reserve_one(driver)
    assert await settle(driver, held, Released(None)) == []
    assert await settle(driver, held, Done()) == ["a"]
    assert ids(await reserve(driver)) == ["a", "b"]


async def test_a_reservation_of_a_forgotten_job_is_stale(driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    await settle(driver, held, Done())
    assert await settle(driver, held, Done()) == ["a"]


async def test_of_two_settlements_of_one_reservation_one_is_stale(driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    released = Settlement(held, Released(0.0), Effects(push=(job("after-release", queue="after"),)))
    done = Settlement(held, Done(), Effects(push=(job("after-done", queue="after"),)))
    assert ids(await driver.settle([released, done])) == ["a"]
    await relayed(driver)
    assert ids(await reserve(driver, "after")) in (["after-release"], ["after-done"])


async def test_only_the_stale_ones_of_a_call_are_answered(driver: Driver) -> None:
    await push(driver, "a", "b", "c")
    held = await reserve(driver)
    await settle(driver, held[1], Done())
    assert await driver.settle([Settlement(one, Done()) for one in held]) == [held[1]]
    assert await reserve(driver) == []
    assert (await driver.sizes(["default"]))["default"].total == 0


@pytest.mark.parametrize("outcome", ALL, ids=[f"{type(one).__name__}-{place}" for place, one in enumerate(ALL)])
async def test_a_settlement_by_an_old_token_changes_nothing(backend: Backend, driver: Driver, outcome: Outcome) -> None:
    await driver.push([unique_job("key", "a", body=b"old")])
    old = await reserve_one(driver)
    await settle(driver, old, Released(0.0, count="exception"))
    new = await reserve_one(driver)
    assert await settle(driver, old, outcome) == ["a"]
    assert not (await driver.push([unique_job("key", "b")]))[0].created
    assert list(await driver.extend([new])) == []
    assert await settle(driver, new, Released(0.0, count="nothing")) == []
    held = await reserve_one(driver)
    assert (held.attempt, held.exceptions, held.crashes, held.body) == (2, 1, 0, b"old")
