"""What `wait` promises: it returns when a job may be reserved."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from asyncq.contracts import Driver, Findable
from asyncq.payload import Released
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, make_suspect, push, reserve, reserve_one, settle
from asyncq.testing.conformance.relaying import relayed

LONG = 1_000.0
"""Longer than any time that a test lets pass: what ends such a wait was no timeout."""


@asynccontextmanager
async def waiting(driver: Driver, *queues: str, timeout: float = LONG) -> AsyncGenerator[anyio.Event]:
    """Wait beside the body, which causes the end; leaves when the wait has ended. The event says that it has."""
    over = anyio.Event()

    async def wait() -> None:
        await driver.wait(queues or ("default",), timeout=timeout)
        over.set()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            await turns_of_the_loop()
            yield over


async def turns_of_the_loop(number: int = 20) -> None:
    """Let other tasks run."""
    for _ in range(number):
        await anyio.lowlevel.checkpoint()


async def test_a_wait_lasts_while_nothing_comes(driver: Driver) -> None:
    async with waiting(driver) as over:
        await turns_of_the_loop(200)
        assert not over.is_set()
        await push(driver, "a")


async def test_a_job_that_is_ready_ends_a_wait_at_once(driver: Driver) -> None:
    await push(driver, "a")
    async with waiting(driver):
        pass
    assert ids(await reserve(driver)) == ["a"]


@pytest.mark.parametrize("queues", [("default",), ("other", "default"), ("default", "other")], ids=",".join)
async def test_a_push_ends_a_wait(driver: Driver, queues: Sequence[str]) -> None:
    async with waiting(driver, *queues):
        await push(driver, "a")
    assert ids(await reserve(driver)) == ["a"]


async def test_a_push_of_another_client_ends_a_wait(backend: Backend, driver: Driver) -> None:
    async with backend.open() as other, waiting(driver):
        await push(other, "a")
    assert ids(await reserve(driver)) == ["a"]


async def test_a_push_ends_the_waits_of_all_clients(backend: Backend, driver: Driver) -> None:
    async with backend.open() as other, waiting(driver), waiting(other), waiting(driver):
        await push(driver, "a")


async def test_each_of_many_waits_is_ended_by_its_own_push(driver: Driver) -> None:
    for number in range(10):
        async with waiting(driver):
            await push(driver, f"{number}")
        assert len(await reserve(driver)) == 1


async def test_a_push_to_another_queue_does_not_hide_a_later_one(driver: Driver) -> None:
    async with waiting(driver):
        await push(driver, "a", queue="other")
        await turns_of_the_loop()
        await push(driver, "b")


async def test_the_end_of_a_delay_ends_a_wait(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", delay=backend.unit)
    async with waiting(driver):
        await backend.turn(backend.unit + 0.01)
    assert ids(await reserve(driver)) == ["a"]


async def test_the_end_of_a_delay_that_began_during_a_wait_ends_it(backend: Backend, driver: Driver) -> None:
    async with waiting(driver):
        await push(driver, "a", delay=backend.unit)
        await turns_of_the_loop()
        await backend.turn(backend.unit + 0.01)
    assert ids(await reserve(driver)) == ["a"]


async def test_the_end_of_a_lease_ends_a_wait(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    await reserve_one(driver)
    async with waiting(driver):
        await backend.turn(driver.lease + 0.01)
    assert ids(await reserve(driver)) == ["a"]


async def test_a_release_ends_a_wait(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    async with backend.open() as other, waiting(other):
        await settle(driver, held, Released(None, count="nothing"))
    assert ids(await reserve(driver)) == ["a"]


async def test_a_job_pushed_by_a_settlement_ends_a_wait(driver: Driver) -> None:
    await push(driver, "a", queue="other")
    held = await reserve_one(driver, "other")
    async with waiting(driver):
        await settle(driver, held, Released(LONG), push=(job("b"),))
        await relayed(driver)
    assert ids(await reserve(driver)) == ["b"]


async def test_a_wait_without_a_job_ends_with_its_timeout(backend: Backend, driver: Driver) -> None:
    async with waiting(driver, timeout=backend.unit):
        await backend.turn(backend.unit + 0.01)
    assert await reserve(driver) == []


@pytest.mark.parametrize("timeout", [0.0, -1.0])
async def test_a_wait_without_time_looks_and_returns(driver: Driver, timeout: float) -> None:
    async with waiting(driver, timeout=timeout):
        pass


async def test_a_wait_without_limit_is_possible(driver: Driver) -> None:
    async with waiting(driver, timeout=float("inf")):
        await push(driver, "a")


async def test_a_wait_takes_no_job(backend: Backend, driver: Driver) -> None:
    async with waiting(driver):
        await push(driver, "a")
    assert (await driver.sizes(["default"]))["default"].ready == 1
    async with backend.fresh() as other:
        assert ids(await reserve(other)) == ["a"]


async def test_a_wait_can_be_cancelled(driver: Driver) -> None:
    with anyio.move_on_after(0.01) as scope:
        await driver.wait(["default"], timeout=LONG)
    assert scope.cancelled_caught
    async with waiting(driver):
        await push(driver, "a")
    assert ids(await reserve(driver)) == ["a"]


async def test_other_calls_go_on_during_a_wait(driver: Driver) -> None:
    async with waiting(driver, "never"):
        await push(driver, "a")
        held = await reserve_one(driver)
        assert list(await driver.extend([held])) == []
        assert await settle(driver, held, Released(0.0)) == []
        await push(driver, "b", queue="never")


async def test_a_suspect_that_others_must_run_does_not_keep_a_worker_spinning(backend: Backend, driver: Driver) -> None:
    await make_suspect(backend, driver, "bad")
    async with waiting(driver) as over:
        await turns_of_the_loop(200)
        assert not over.is_set()
        await push(driver, "good")


@pytest.mark.needs("findable")
async def test_a_cancelled_delay_does_not_keep_a_worker_spinning(backend: Backend, driver: Driver) -> None:
    assert isinstance(driver, Findable)
    await push(driver, "a", delay=backend.unit)
    await driver.cancel(["a"])
    await backend.turn(backend.unit + 0.01)
    async with waiting(driver) as over:
        await turns_of_the_loop(200)
        assert not over.is_set()
        await push(driver, "b")
