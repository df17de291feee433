"""What `push` promises."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver
from asyncq.errors import DriverError
from asyncq.payload import Done, Released, Unique
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, push, reserve, reserve_one, settle, unique_job


async def test_a_pushed_job_is_there_for_another_client(backend: Backend, driver: Driver) -> None:
    answers = await driver.push([job("a"), job("b")])
    assert [(answer.id, answer.created) for answer in answers] == [("a", True), ("b", True)]
    async with backend.fresh() as other:
        assert ids(await reserve(other)) == ["a", "b"]


async def test_a_job_comes_back_as_it_was_pushed(driver: Driver) -> None:
    body = bytes(range(256))
    await driver.push([job("a", name="app:Ünïcode", body=body, group="g", tags=("x", "y"), unique=Unique("key"))])
    held = await reserve_one(driver)
    assert (held.id, held.queue, held.name, held.body) == ("a", "default", "app:Ünïcode", body)
    assert (held.group, held.tags, held.unique_key) == ("g", ("x", "y"), "key")
    assert (held.attempt, held.exceptions, held.crashes) == (1, 0, 0)


async def test_pushing_nothing_answers_nothing(driver: Driver) -> None:
    assert list(await driver.push([])) == []


@pytest.mark.needs("wide_ids")
async def test_pushing_one_id_twice_is_one_job(driver: Driver) -> None:
    await push(driver, "a", body=b"first")
    answers = await driver.push([job("a", body=b"second"), job("a", queue="other")])
    assert [(answer.id, answer.created) for answer in answers] == [("a", False), ("a", False)]
    assert [(held.id, held.body) for held in await reserve(driver, "default", "other")] == [("a", b"first")]


async def test_one_id_twice_in_one_call_is_one_job(driver: Driver) -> None:
    answers = await driver.push([job("a", body=b"first"), job("b"), job("a", body=b"second")])
    assert [(answer.id, answer.created) for answer in answers] == [("a", True), ("b", True), ("a", False)]
    assert [(held.id, held.body) for held in await reserve(driver)] == [("a", b"first"), ("b", b"{}\n[]")]


async def test_the_id_of_a_reserved_job_is_taken(driver: Driver) -> None:
    await push(driver, "a")
    await reserve_one(driver)
    assert not (await driver.push([job("a")]))[0].created
    assert await reserve(driver) == []


async def test_the_id_of_a_finished_job_is_free_again(driver: Driver) -> None:
    await push(driver, "a")
    await settle(driver, await reserve_one(driver), Done())
    assert (await driver.push([job("a")]))[0].created
    assert ids(await reserve(driver)) == ["a"]


async def test_a_push_that_fails_stores_none_of_its_envelopes(driver: Driver) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError, DriverError)):
        await driver.push([job("a"), job("b", delay=float("nan"))])
    assert await reserve(driver) == []
    assert (await driver.push([job("a")]))[0].created


async def test_many_jobs_in_one_push_are_all_there(driver: Driver) -> None:
    names = [f"{number:05}" for number in range(2_500)]
    assert all(answer.created for answer in await driver.push([job(name) for name in names]))
    assert ids(await reserve(driver, limit=3_000)) == names


@pytest.mark.needs("wide_ids")
async def test_a_unique_key_is_held_by_the_first_job(driver: Driver) -> None:
    await driver.push([unique_job("key", "a")])
    answers = await driver.push([unique_job("key", "b", queue="other"), unique_job("another", "c")])
    assert [(answer.id, answer.created) for answer in answers] == [("a", False), ("c", True)]
    assert ids(await reserve(driver, "default", "other")) == ["a", "c"]


async def test_a_unique_key_is_held_within_one_call(driver: Driver) -> None:
    answers = await driver.push([unique_job("key", "a"), unique_job("key", "b")])
    assert [(answer.id, answer.created) for answer in answers] == [("a", True), ("a", False)]
    assert ids(await reserve(driver)) == ["a"]


async def test_an_id_that_is_there_takes_no_unique_key(driver: Driver) -> None:
    await push(driver, "a")
    assert not (await driver.push([unique_job("key", "a")]))[0].created
    assert (await driver.push([unique_job("key", "b")]))[0].created


async def test_a_refused_job_can_be_pushed_when_the_key_is_free(driver: Driver) -> None:
    await driver.push([unique_job("key", "a")])
    await driver.push([unique_job("key", "b")])
    await settle(driver, await reserve_one(driver), Done())
    assert (await driver.push([unique_job("key", "b")]))[0].created


async def test_a_reserved_or_released_job_keeps_its_unique_key(driver: Driver) -> None:
    await driver.push([unique_job("key", "a")])
    held = await reserve_one(driver)
    assert (await driver.push([unique_job("key", "b")]))[0].id == "a"
    await settle(driver, held, Released(0.0))
    assert (await driver.push([unique_job("key", "c")]))[0].id == "a"


async def test_a_unique_key_without_ttl_has_no_end(backend: Backend, driver: Driver) -> None:
    await driver.push([unique_job("key", "a")])
    await backend.turn(backend.unit * 4)
    assert not (await driver.push([unique_job("key", "b")]))[0].created


async def test_a_unique_key_with_ttl_ends_though_the_job_waits(backend: Backend, driver: Driver) -> None:
    await driver.push([unique_job("key", "a", ttl=backend.unit)])
    await backend.turn(backend.unit * 0.5)
    assert not (await driver.push([unique_job("key", "b")]))[0].created
    await backend.turn(backend.unit * 0.6)
    answers = await driver.push([unique_job("key", "c"), unique_job("key", "d")])
    assert [(answer.id, answer.created) for answer in answers] == [("c", True), ("c", False)]


async def test_the_first_of_one_call_takes_a_key_that_ended(backend: Backend, driver: Driver) -> None:
    await driver.push([unique_job("key", "old", ttl=backend.unit)])
    await backend.turn(backend.unit * 1.1)
    answers = await driver.push(
        [unique_job("key", "a", body=b"first"), job("a", body=b"second"), unique_job("key", "b"), job("b")]
    )
    assert [(answer.id, answer.created) for answer in answers] == [
        ("a", True),
        ("a", False),
        ("a", False),
        ("b", True),
    ]
    found = {held.id: (held.body, held.unique_key) for held in await reserve(driver)}
    assert found == {"old": (b"{}\n[]", None), "a": (b"first", "key"), "b": (b"{}\n[]", None)}


async def test_a_delay_does_not_lengthen_the_life_of_a_key(backend: Backend, driver: Driver) -> None:
    await driver.push([unique_job("key", "a", ttl=backend.unit, delay=backend.unit * 3)])
    await backend.turn(backend.unit * 1.1)
    assert (await driver.push([unique_job("key", "b")]))[0].created


async def test_the_end_of_an_outlived_job_does_not_free_the_key_of_its_successor(
    backend: Backend, driver: Driver
) -> None:
    await driver.push([unique_job("key", "a", ttl=backend.unit)])
    held = await reserve_one(driver)
    await backend.turn(backend.unit * 1.1)
    await driver.push([unique_job("key", "b")])
    assert await settle(driver, held, Done()) == []
    answer = (await driver.push([unique_job("key", "c")]))[0]
    assert (answer.id, answer.created) == ("b", False)
