"""What a store of failed jobs promises."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver
from asyncq.stores import FailedStore
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import failed_job, ids, there

pytestmark = pytest.mark.needs("failed")

AT = 1_700_000_000.0


@pytest.fixture
def failed(driver: Driver) -> FailedStore:
    return there(driver.stores.failed)


async def test_a_record_comes_back_as_it_was_added(backend: Backend, failed: FailedStore) -> None:
    record = failed_job(
        "a", failed_at=AT, attempts=3, exceptions=2, crashes=1, group="g", tags=("x", "y"), body=b"\x00\xff"
    )
    await failed.add([record])
    async with backend.fresh() as other:
        assert list(await there(other.stores.failed).get(["a"])) == [record]


async def test_records_come_in_the_order_asked_for(failed: FailedStore) -> None:
    await failed.add([failed_job("a"), failed_job("b"), failed_job("c")])
    assert ids(await failed.get(["c", "unknown", "a"])) == ["c", "a"]


async def test_a_later_record_replaces_the_earlier_one(failed: FailedStore) -> None:
    await failed.add([failed_job("a", error="first", failed_at=AT)])
    await failed.add([failed_job("a", error="second", failed_at=AT + 1)])
    assert [job.error for job in await failed.get(["a"])] == ["second"]
    assert (await failed.page()).total == 1


async def test_the_store_fills_in_the_instant(backend: Backend, failed: FailedStore) -> None:
    await failed.add([failed_job("a")])
    await backend.turn(backend.unit)
    await failed.add([failed_job("b")])
    first, second = await failed.get(["a", "b"])
    assert second.failed_at - first.failed_at == pytest.approx(backend.unit, abs=0.05)


async def test_pages_list_the_newest_first(failed: FailedStore) -> None:
    await failed.add([failed_job(f"{number}", failed_at=AT + number) for number in (3, 1, 5, 2, 4)])
    page = await failed.page(limit=2, offset=1)
    assert (ids(page.items), page.total) == (["4", "3"], 5)
    assert ids((await failed.page()).items) == ["5", "4", "3", "2", "1"]


async def test_pages_may_show_one_queue_or_one_name(failed: FailedStore) -> None:
    await failed.add(
        [
            failed_job("a", queue="high", failed_at=AT),
            failed_job("b", name="app:Other", failed_at=AT + 1),
            failed_job("c", queue="high", name="app:Other", failed_at=AT + 2),
        ]
    )
    assert ids((await failed.page(queue="high")).items) == ["c", "a"]
    assert ids((await failed.page(name="app:Other")).items) == ["c", "b"]
    both = await failed.page(queue="high", name="app:Other", limit=1)
    assert (ids(both.items), both.total) == (["c"], 1)
    assert (await failed.page(queue="none")).total == 0


async def test_remove_says_how_many_there_were(failed: FailedStore) -> None:
    await failed.add([failed_job("a"), failed_job("b")])
    assert await failed.remove(["a", "unknown"]) == 1
    assert await failed.remove(["a"]) == 0
    assert ids((await failed.page()).items) == ["b"]


async def test_remove_keeps_the_record_of_a_job_that_failed_again_meanwhile(failed: FailedStore) -> None:
    await failed.add([failed_job("again", failed_at=AT), failed_job("once", failed_at=AT)])
    first, _ = await failed.get(["again", "once"])
    await failed.add([failed_job("again", failed_at=AT + 1, error="second")])
    assert await failed.remove(["again", "once"], until=first.failed_at) == 1
    assert [job.error for job in (await failed.page()).items] == ["second"]


async def test_prune_forgets_the_old_ones(backend: Backend, failed: FailedStore) -> None:
    await failed.add([failed_job("old")])
    await backend.turn(backend.unit)
    await failed.add([failed_job("new")])
    assert await failed.prune(older=backend.unit * 2) == 0
    assert await failed.prune(older=backend.unit * 0.5) == 1
    assert ids((await failed.page()).items) == ["new"]
