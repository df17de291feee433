"""What a store of results promises."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest

from asyncq.contracts import Driver
from asyncq.records import StoredResult
from asyncq.stores import ResultStore
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import there

pytestmark = pytest.mark.needs("results")


@pytest.fixture
def results(driver: Driver) -> ResultStore:
    return there(driver.stores.results)


async def test_a_result_is_kept_for_its_time(backend: Backend, results: ResultStore) -> None:
    result = StoredResult("a", b'{"x": 1}', backend.unit)
    await results.put(result)
    await backend.turn(backend.unit - 0.05)
    async with backend.fresh() as other:
        assert await there(other.stores.results).get("a") == result
    await backend.turn(0.06)
    assert await results.get("a") is None
    assert await results.get("unknown") is None


async def test_a_later_result_replaces_the_earlier_one(backend: Backend, results: ResultStore) -> None:
    await results.put(StoredResult("a", b"1", backend.unit))
    await results.put(StoredResult("a", b"2", backend.unit * 3))
    await backend.turn(backend.unit * 2)
    assert there(await results.get("a")).body == b"2"


async def test_waiting_for_a_result_that_is_there_returns_it(backend: Backend, results: ResultStore) -> None:
    await results.put(StoredResult("a", b"1", backend.unit))
    with anyio.fail_after(10):
        assert there(await results.wait("a", timeout=1_000.0)).body == b"1"
        assert there(await results.wait("a", timeout=0.0)).body == b"1"


async def test_a_result_ends_the_wait_for_it(backend: Backend, results: ResultStore) -> None:
    got: list[StoredResult | None] = []

    async def wait() -> None:
        got.append(await results.wait("a", timeout=1_000.0))

    with anyio.fail_after(10):
        async with backend.open() as other, anyio.create_task_group() as group:
            group.start_soon(wait)
            group.start_soon(wait)
            await anyio.lowlevel.checkpoint()
            await results.put(StoredResult("other", b"0", backend.unit))
            await there(other.stores.results).put(StoredResult("a", b"1", backend.unit))
    assert [there(result).body for result in got] == [b"1", b"1"]


async def test_waiting_for_a_result_ends_with_its_timeout(backend: Backend, results: ResultStore) -> None:
    got: list[StoredResult | None] = []

    async def wait() -> None:
        got.append(await results.wait("a", timeout=backend.unit))

    with anyio.fail_after(10):
        assert await results.wait("a", timeout=0.0) is None
        async with anyio.create_task_group() as group:
            group.start_soon(wait)
            while not got:
                await backend.turn(backend.unit * 0.3)
                await anyio.sleep(0.001)
    assert got == [None]


async def test_a_forgotten_result_is_gone_and_may_come_again(backend: Backend, results: ResultStore) -> None:
    for id in ("a", "b", "c"):
        await results.put(StoredResult(id, b"1", backend.unit * 9))
    await results.forget(["a", "b", "unknown"])
    await results.forget([])
    assert [await results.get(id) for id in ("a", "b")] == [None, None]
    assert await results.get("c") is not None
    assert await results.wait("a", timeout=0.0) is None
    await results.put(StoredResult("a", b"2", backend.unit * 9))
    assert there(await results.wait("a", timeout=10.0)).body == b"2"


@pytest.mark.needs("prunes_results")
async def test_prune_forgets_what_is_over(backend: Backend, results: ResultStore) -> None:
    await results.put(StoredResult("a", b"1", backend.unit))
    await results.put(StoredResult("b", b"1", backend.unit * 3))
    assert await results.prune() == 0
    await backend.turn(backend.unit * 2)
    assert await results.prune() == 1
    assert await results.prune() == 0
    assert await results.get("b") is not None
