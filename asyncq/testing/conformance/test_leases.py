"""What happens to a lease: it is extended, or it ends and the job comes back."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver
from asyncq.payload import Done, Outcome, Released, Reservation
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, push, reserve, reserve_one, settle, unique_job


async def expire(backend: Backend, driver: Driver) -> None:
    """Let all leases end, and let a reserve that takes nothing put their jobs back."""
    await backend.turn(driver.lease + 0.01)
    await driver.reserve(["default"], limit=0)


async def test_a_lease_lasts_as_long_as_it_says(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    await reserve_one(driver)
    await backend.turn(driver.lease - 0.1)
    assert await reserve(driver) == []
    await backend.turn(0.11)
    held = await reserve_one(driver)
    assert (held.id, held.attempt, held.exceptions, held.crashes) == ("a", 1, 0, 1)


async def test_an_expired_job_comes_back_at_the_head(backend: Backend, driver: Driver) -> None:
    await push(driver, "m", "z")
    await reserve_one(driver)
    await backend.turn(driver.lease * 0.5)
    await push(driver, "a")
    await backend.turn(driver.lease * 0.6)
    assert [(held.id, held.crashes) for held in await reserve(driver)] == [("m", 1), ("z", 0), ("a", 0)]


async def test_all_expired_jobs_come_back_by_one_reserve(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b", "c")
    await push(driver, "d", queue="other")
    await reserve(driver, "default", "other")
    await backend.turn(driver.lease + 0.01)
    assert ids(await reserve(driver, "other", "default")) == ["d", "a", "b", "c"]


async def test_a_reserve_of_another_queue_does_not_end_a_lease(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    await backend.turn(driver.lease + 0.01)
    await reserve(driver, "other")
    assert list(await driver.extend([held])) == []


async def test_each_expiry_counts_one_crash(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    for crashes in (0, 1):
        assert (await reserve_one(driver)).crashes == crashes
        await expire(backend, driver)
    for crashes in (2, 3):
        held = (await driver.reserve(["default"], limit=1, alone=True)).items[0]
        assert (held.crashes, held.attempt, held.exceptions) == (crashes, 1, 0)
        await expire(backend, driver)


@pytest.mark.parametrize("outcome", [Done(), Released(5.0, body=b"new")], ids=["done", "released"])
async def test_a_settlement_is_stale_as_soon_as_the_job_went_back(
    backend: Backend, driver: Driver, outcome: Outcome
) -> None:
    await driver.push([unique_job("key", "a", body=b"old")])
    held = await reserve_one(driver)
    await expire(backend, driver)
    assert await settle(driver, held, outcome) == ["a"]
    assert not (await driver.push([unique_job("key", "b")]))[0].created
    again = await reserve_one(driver)
    assert (again.body, again.crashes, again.attempt) == (b"old", 1, 1)


async def test_an_extension_is_refused_as_soon_as_the_job_went_back(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    await expire(backend, driver)
    assert list(await driver.extend([held])) == [held]
    assert ids(await reserve(driver)) == ["a"]


async def test_the_new_holder_is_not_disturbed_by_the_old_one(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    old = await reserve_one(driver)
    await backend.turn(driver.lease + 0.01)
    new = await reserve_one(driver)
    assert list(await driver.extend([old])) == [old]
    assert await settle(driver, old, Done()) == ["a"]
    assert await settle(driver, new, Done()) == []


async def test_extend_restarts_the_full_lease(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    for _ in range(4):
        await backend.turn(driver.lease * 0.7)
        assert await reserve(driver) == []
        assert list(await driver.extend([held])) == []
    await backend.turn(driver.lease * 0.9)
    assert await reserve(driver) == []
    await backend.turn(driver.lease * 0.2)
    assert (await reserve_one(driver)).crashes == 1


async def test_extend_keeps_only_what_it_was_given(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b")
    first, _ = await reserve(driver)
    await backend.turn(driver.lease * 0.7)
    assert list(await driver.extend([first])) == []
    await backend.turn(driver.lease * 0.7)
    assert ids(await reserve(driver)) == ["b"]
    assert await settle(driver, first, Done()) == []


async def test_extend_answers_what_was_lost(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b", "c")
    held = await reserve(driver)
    await settle(driver, held[0], Done())
    await settle(driver, held[1], Released(None))
    assert ids(await driver.extend(held)) == ["a", "b"]
    assert list(await driver.extend([])) == []


async def test_a_made_up_token_is_refused(driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    forged = Reservation("a", "default", "app:Work", "forged", 1, 0, 0, b"", 0.0)
    assert list(await driver.extend([forged])) == [forged]
    assert await settle(driver, forged, Done()) == ["a"]
    assert await settle(driver, held, Done()) == []


async def test_a_late_worker_that_was_not_missed_may_still_settle(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    await backend.turn(driver.lease * 3)
    assert await settle(driver, held, Done()) == []
    assert await reserve(driver) == []


async def test_drivers_of_one_store_keep_their_own_lease(backend: Backend, driver: Driver) -> None:
    await push(driver, "long", "short")
    async with backend.open(lease=str(driver.lease / 2)) as other:
        assert ids(await reserve(driver, limit=1)) == ["long"]
        assert ids(await reserve(other, limit=1)) == ["short"]
        await backend.turn(driver.lease * 0.6)
        assert ids(await reserve(driver)) == ["short"]
        await backend.turn(driver.lease * 0.5)
        assert ids(await reserve(driver)) == ["long"]


async def test_a_shorter_lease_may_follow_a_longer_one(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    async with backend.open(lease=str(driver.lease / 2)) as other:
        assert list(await other.extend([held])) == []
        await backend.turn(driver.lease * 0.6)
        assert ids(await reserve(other)) == ["a"]
