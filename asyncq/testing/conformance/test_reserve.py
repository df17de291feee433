"""What `reserve` promises."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver
from asyncq.payload import Done, Released
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, make_suspect, push, reserve, reserve_one, settle


async def test_an_empty_queue_answers_at_once_with_nothing(driver: Driver) -> None:
    answer = await driver.reserve(["default", "never-heard-of"], limit=10)
    assert (answer.items, answer.suspects, answer.next_due) == ((), False, None)


async def test_jobs_of_one_instant_come_by_id(driver: Driver) -> None:
    instant = 1_700_000_000.0
    await driver.push([job("b", due_at=instant), job("c", due_at=instant), job("a", due_at=instant)])
    assert ids(await reserve(driver)) == ["a", "b", "c"]


async def test_jobs_come_by_due_time_before_id(driver: Driver) -> None:
    instant = 1_700_000_000.0
    await driver.push([job("a", due_at=instant + 2), job("b", due_at=instant + 1), job("c", due_at=instant)])
    assert ids(await reserve(driver)) == ["c", "b", "a"]


async def test_a_later_push_comes_later_whatever_its_id(backend: Backend, driver: Driver) -> None:
    await push(driver, "z")
    await backend.turn(0.01)
    await push(driver, "a")
    assert ids(await reserve(driver)) == ["z", "a"]


async def test_earlier_queues_come_first_at_every_reserve(driver: Driver) -> None:
    await push(driver, "low-1", "low-2", queue="low")
    await push(driver, "high-1", "high-2", queue="high")
    assert ids(await reserve(driver, "high", "low", limit=3)) == ["high-1", "high-2", "low-1"]
    await push(driver, "high-3", queue="high")
    assert ids(await reserve(driver, "high", "low", limit=3)) == ["high-3", "low-2"]


async def test_the_order_of_the_queues_is_that_of_the_call(driver: Driver) -> None:
    await push(driver, "one", queue="a")
    await push(driver, "two", queue="b")
    assert ids(await reserve(driver, "b", "a")) == ["two", "one"]


async def test_only_the_queues_asked_for_are_read(driver: Driver) -> None:
    await push(driver, "one", queue="a")
    assert await reserve(driver, "b") == []
    assert ids(await reserve(driver, "a")) == ["one"]


@pytest.mark.parametrize("limit", [0, 1, 2, 5])
async def test_no_more_than_the_limit_is_leased(driver: Driver, limit: int) -> None:
    await push(driver, "a", "b", "c")
    assert ids(await reserve(driver, limit=limit)) == ["a", "b", "c"][:limit]
    assert ids(await reserve(driver)) == ["a", "b", "c"][limit:]


async def test_a_leased_job_is_not_leased_again(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    assert len(await reserve(driver)) == 1
    assert await reserve(driver) == []
    async with backend.fresh() as other:
        assert await reserve(other) == []


async def test_each_reserve_gives_a_new_token(driver: Driver) -> None:
    await push(driver, "a", "b")
    tokens = {(await reserve_one(driver)).token for _ in range(2)}
    assert len(tokens) == 2
    await push(driver, "c")
    held = await reserve_one(driver)
    await settle(driver, held, Released(None, count="nothing"))
    assert (await reserve_one(driver)).token not in {*tokens, held.token}


async def test_reserving_counts_nothing(driver: Driver) -> None:
    await push(driver, "a")
    for _ in range(3):
        held = await reserve_one(driver)
        assert (held.attempt, held.exceptions, held.crashes) == (1, 0, 0)
        await settle(driver, held, Released(None, count="nothing"))


async def test_a_reservation_tells_the_instant_of_the_broker(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b")
    first = await reserve_one(driver)
    await backend.turn(backend.unit)
    second = await reserve_one(driver)
    assert second.reserved_at - first.reserved_at == pytest.approx(backend.unit, abs=0.05)


async def test_a_delayed_job_comes_when_its_delay_ends(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", delay=backend.unit)
    await backend.turn(backend.unit - 0.05)
    assert await reserve(driver) == []
    await backend.turn(0.06)
    assert ids(await reserve(driver)) == ["a"]


async def test_an_instant_beats_a_delay(backend: Backend, driver: Driver) -> None:
    await driver.push([job("a", delay=backend.unit * 9, due_at=1_700_000_000.0)])
    assert ids(await reserve(driver)) == ["a"]


async def test_a_job_for_an_instant_waits_for_it(backend: Backend, driver: Driver) -> None:
    await push(driver, "probe")
    now = (await reserve_one(driver)).reserved_at
    await driver.push([job("a", due_at=now + backend.unit)])
    assert await reserve(driver) == []
    await backend.turn(backend.unit + 0.01)
    assert ids(await reserve(driver)) == ["a"]


async def test_a_delayed_job_takes_its_place_by_its_due_time(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", delay=backend.unit)
    await backend.turn(backend.unit * 0.5)
    await push(driver, "z")
    await backend.turn(backend.unit)
    assert ids(await reserve(driver)) == ["z", "a"]


async def test_next_due_tells_when_the_first_delay_ends(backend: Backend, driver: Driver) -> None:
    await driver.push([job("a", delay=backend.unit * 3), job("b", delay=backend.unit, queue="other"), job("c")])
    answer = await driver.reserve(["default", "other"], limit=10)
    assert ids(answer.items) == ["c"]
    assert answer.next_due == pytest.approx(backend.unit, abs=0.05)
    assert (await driver.reserve(["default"], limit=10)).next_due == pytest.approx(backend.unit * 3, abs=0.05)


async def test_next_due_is_not_told_where_something_was_left_ready(backend: Backend, driver: Driver) -> None:
    await driver.push([job("a"), job("b"), job("c", delay=backend.unit)])
    assert (await driver.reserve(["default"], limit=1)).next_due is None
    assert (await driver.reserve(["default"], limit=1)).next_due == pytest.approx(backend.unit, abs=0.05)


async def test_next_due_is_not_told_for_jobs_of_other_queues(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", delay=backend.unit, queue="other")
    assert (await driver.reserve(["default"], limit=1)).next_due is None


async def test_a_job_that_crashed_twice_is_passed_over_and_reported(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad")
    await push(driver, "good")
    answer = await driver.reserve(["default"], limit=10)
    assert (ids(answer.items), answer.suspects) == (["good"], True)


async def test_a_suspect_is_reported_also_where_the_limit_was_reached(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad", queue="second")
    await push(driver, "good", "more")
    answer = await driver.reserve(["default", "second"], limit=1)
    assert (ids(answer.items), answer.suspects) == (["good"], True)


async def test_a_suspect_of_another_queue_is_not_reported(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad", queue="other")
    assert not (await driver.reserve(["default"], limit=10)).suspects


async def test_alone_leases_exactly_one_suspect_and_nothing_else(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad-1", queue="one")
    await make_suspect(backend, driver, "bad-2", queue="two")
    await push(driver, "good", queue="one")
    answer = await driver.reserve(["one", "two"], limit=10, alone=True)
    assert [(held.id, held.crashes) for held in answer.items] == [("bad-1", 2)]
    assert ids((await driver.reserve(["one", "two"], limit=10, alone=True)).items) == ["bad-2"]
    assert (await driver.reserve(["one", "two"], limit=10, alone=True)).items == ()
    assert ids(await reserve(driver, "one", "two")) == ["good"]


async def test_alone_leases_nothing_where_nothing_is_suspect(backend: Backend, driver: Driver) -> None:
    await push(driver, "good")
    assert (await driver.reserve(["default"], limit=10, alone=True)).items == ()
    await reserve(driver)
    await backend.turn(driver.lease + 0.01)
    assert (await driver.reserve(["default"], limit=10, alone=True)).items == ()
    assert [(held.id, held.crashes) for held in await reserve(driver)] == [("good", 1)]


async def test_a_suspect_that_waits_for_its_delay_is_not_reported(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad")
    held = (await driver.reserve(["default"], limit=1, alone=True)).items[0]
    await settle(driver, held, Released(backend.unit, count="nothing"))
    assert not (await driver.reserve(["default"], limit=1)).suspects
    assert (await driver.reserve(["default"], limit=1, alone=True)).items == ()
    await backend.turn(backend.unit + 0.01)
    assert (await driver.reserve(["default"], limit=1)).suspects


async def test_a_suspect_with_a_verdict_is_a_job_like_others(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad")
    held = (await driver.reserve(["default"], limit=1, alone=True)).items[0]
    await settle(driver, held, Released(0.0, count="exception"))
    answer = await driver.reserve(["default"], limit=1)
    assert (ids(answer.items), answer.suspects, answer.items[0].crashes) == (["bad"], False, 0)
    assert await settle(driver, answer.items[0], Done()) == []
