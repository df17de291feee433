"""What can be seen of the stored jobs, and how they are taken out by hand."""

from __future__ import annotations

import pytest

from asyncq.contracts import Clearable, Driver, Findable, Inspectable
from asyncq.payload import Done, Released
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, make_suspect, push, reserve, reserve_one, settle, unique_job


async def test_sizes_count_each_queue_by_state(backend: Backend, driver: Driver) -> None:
    await driver.push([job("a"), job("b"), job("c"), job("d", delay=backend.unit), job("e", queue="other")])
    await reserve(driver, limit=1)
    sizes = await driver.sizes(["default", "other", "empty"])
    assert {name: (size.ready, size.delayed, size.reserved) for name, size in sizes.items()} == {
        "default": (2, 1, 1),
        "other": (1, 0, 0),
        "empty": (0, 0, 0),
    }
    await backend.turn(backend.unit + 0.01)
    assert (await driver.sizes(["default"]))["default"].ready == 3


async def test_a_job_whose_lease_has_run_out_counts_as_ready(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    await reserve_one(driver)
    await backend.turn(driver.lease + 0.01)
    size = (await driver.sizes(["default"]))["default"]
    assert (size.ready, size.reserved) == (1, 0)


async def test_a_suspect_counts_as_ready(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad")
    assert (await driver.sizes(["default"]))["default"].ready == 1


async def test_the_age_of_a_queue_is_that_of_its_head(backend: Backend, driver: Driver) -> None:
    await push(driver, "later", delay=backend.unit)
    assert (await driver.sizes(["default"]))["default"].oldest_ready_age is None
    await backend.turn(backend.unit * 2)
    await push(driver, "new")
    assert (await driver.sizes(["default"]))["default"].oldest_ready_age == pytest.approx(backend.unit, abs=0.05)
    await reserve_one(driver)
    assert (await driver.sizes(["default"]))["default"].oldest_ready_age == pytest.approx(0.0, abs=0.05)
    await reserve_one(driver)
    assert (await driver.sizes(["default"]))["default"].oldest_ready_age is None


@pytest.mark.needs("findable")
async def test_find_shows_the_jobs_that_are_there(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Findable)
    await driver.push([job("a"), job("b", delay=backend.unit), unique_job("key", "c", tags=("x",), group="g")])
    await settle(driver, await reserve_one(driver), Released(None, count="exception", body=b"new"))
    await reserve(driver, limit=1)
    found = await driver.find(["a", "b", "c", "unknown"])
    assert {id: (shown.id, shown.state) for id, shown in found.items()} == {
        "a": ("a", "reserved"),
        "b": ("b", "delayed"),
        "c": ("c", "ready"),
    }
    first, third = found["a"], found["c"]
    assert (first.attempts, first.exceptions, first.crashes, first.body) == (1, 1, 0, b"new")
    assert (third.queue, third.name, third.tags, third.group) == ("default", "app:Work", ("x",), "g")
    assert (third.unique_key, third.attempts) == ("key", 0)
    assert found["b"].due_at - third.due_at == pytest.approx(backend.unit, abs=0.05)


@pytest.mark.needs("findable")
async def test_cancel_forgets_what_waits_and_leaves_what_runs(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Findable)
    await push(driver, "running")
    held = await reserve_one(driver)
    await driver.push([unique_job("key", "ready"), job("delayed", delay=backend.unit), job("other")])
    names = ["ready", "unknown", "delayed", "running", "ready"]
    assert sorted(await driver.cancel(names)) == ["delayed", "ready"]
    assert (await driver.push([unique_job("key", "next")]))[0].created
    await backend.turn(backend.unit + 0.01)
    assert sorted(ids(await reserve(driver))) == ["next", "other"]
    assert await settle(driver, held, Done()) == []
    assert list(await driver.cancel(names)) == []


@pytest.mark.needs("findable")
async def test_an_id_is_free_after_cancel_and_its_old_place_is_gone(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Findable)
    await push(driver, "a")
    await backend.turn(0.01)
    await push(driver, "b")
    await driver.cancel(["a"])
    await backend.turn(0.01)
    assert (await driver.push([job("a")]))[0].created
    assert ids(await reserve(driver)) == ["b", "a"]
    assert await reserve(driver) == []


@pytest.mark.needs("findable")
async def test_many_cancelled_delays_leave_the_others_alone(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Findable)
    names = [f"{number:04}" for number in range(400)]
    await push(driver, *names, delay=backend.unit)
    gone = [name for name in names if int(name) % 4]
    assert len(await driver.cancel(gone)) == 300
    await backend.turn(backend.unit + 0.01)
    assert ids(await reserve(driver, limit=400)) == [name for name in names if not int(name) % 4]


@pytest.mark.needs("findable")
async def test_free_gives_up_the_key_of_a_job_that_runs_on(driver: Driver) -> None:
    assert isinstance(driver, Findable)
    await driver.push([unique_job("key", "a")])
    held = await reserve_one(driver)
    assert await driver.free(held)
    assert (await driver.push([unique_job("key", "b")]))[0].created
    assert await driver.free(held)
    assert await settle(driver, held, Done()) == []
    assert not (await driver.push([unique_job("key", "c")]))[0].created


@pytest.mark.needs("findable")
async def test_free_is_fenced(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Findable)
    await driver.push([unique_job("key", "a")])
    held = await reserve_one(driver)
    await backend.turn(driver.lease + 0.01)
    await driver.reserve(["default"], limit=0)
    assert not await driver.free(held)
    assert not (await driver.push([unique_job("key", "b")]))[0].created


@pytest.mark.needs("clearable")
async def test_clear_forgets_all_jobs_of_one_queue_and_their_keys(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Clearable)
    await driver.push([unique_job("held", "a"), unique_job("ready", "b")])
    held = await reserve_one(driver)
    await driver.push([unique_job("delayed", "c", delay=backend.unit), job("other", queue="other")])
    assert await driver.clear("default") == 3
    assert await driver.clear("default") == 0
    assert await driver.clear("unknown") == 0
    assert await settle(driver, held, Released(0.0)) == ["a"]
    assert list(await driver.extend([held])) == [held]
    await backend.turn(driver.lease * 2)
    assert ids(await reserve(driver, "default", "other")) == ["other"]
    answers = await driver.push([unique_job("held", "a"), unique_job("ready", "d"), unique_job("delayed", "e")])
    assert [answer.created for answer in answers] == [True, True, True]
    assert sorted(ids(await reserve(driver))) == ["a", "d", "e"]


@pytest.mark.needs("inspectable")
async def test_queues_are_those_that_hold_a_job(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Inspectable)
    assert list(await driver.queues()) == []
    await driver.push([job("a", queue="z"), job("b", queue="m", delay=backend.unit), job("c", queue="a")])
    held = await reserve_one(driver, "z")
    assert list(await driver.queues()) == ["a", "m", "z"]
    await settle(driver, held, Done())
    assert list(await driver.queues()) == ["a", "m"]


@pytest.mark.needs("inspectable")
async def test_pages_show_one_state_in_the_order_of_the_reserve(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Inspectable)
    await push(driver, "held-2", "held-1")
    await reserve(driver)
    await push(driver, "b", "a", "c")
    await driver.push([job("late", delay=backend.unit * 2), job("soon", delay=backend.unit), job("x", queue="other")])
    assert ids(await driver.page("default", "ready")) == ["a", "b", "c"]
    assert ids(await driver.page("default", "ready", limit=1, offset=1)) == ["b"]
    assert ids(await driver.page("default", "ready", offset=3)) == []
    assert ids(await driver.page("default", "delayed")) == ["soon", "late"]
    reserved = await driver.page("default", "reserved")
    assert [(shown.id, shown.state) for shown in reserved] == [("held-1", "reserved"), ("held-2", "reserved")]
    assert ids(await driver.page("unknown", "ready")) == []
    assert ids(await reserve(driver)) == ["a", "b", "c"]
