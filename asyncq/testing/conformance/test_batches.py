"""What a batch store promises."""

from __future__ import annotations

import time

import pytest

from asyncq.contracts import Driver
from asyncq.outbox import push_row
from asyncq.records import BatchCounts, BatchRecord, BatchStrike, OutboxRow
from asyncq.stores import BatchStore
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, there

pytestmark = pytest.mark.needs("batches", "outbox")

CALLBACKS = {name: job(f"template-{name}", body=name.encode()) for name in ("progress", "then", "catch", "failure")}
CALLBACKS["finally"] = job("template-finally", queue="last", delay=1.5, tags=("x",))


@pytest.fixture
def batches(driver: Driver) -> BatchStore:
    return there(driver.stores.batches)


async def create(batches: BatchStore, *members: str, allow_failures: bool = False) -> None:
    assert await batches.create(BatchRecord("b", callbacks=CALLBACKS, allow_failures=allow_failures), members)


async def strike(batches: BatchStore, *members: str, failed: bool = False) -> list[str]:
    """Count ends; returns what became due, without the common start of the ids."""
    due = await batches.strike([BatchStrike("b", member, failed) for member in members])
    return [id.removeprefix("batch:b:") for id in ids(due)]


async def counts(batches: BatchStore) -> tuple[int, int, int]:
    found = there(await batches.get("b")).counts
    return (found.total, found.pending, found.failed)


async def rows(driver: Driver) -> list[OutboxRow]:
    taken = list(await there(driver.stores.outbox).take(limit=100, lease=1.0))
    await there(driver.stores.outbox).done(ids(taken))
    return taken


async def test_a_batch_comes_back_as_it_was_created(backend: Backend, batches: BatchStore) -> None:
    record = BatchRecord("b", "Import", b'{"any": 1}', True, CALLBACKS, created_at=1_700_000_000.0)
    assert await batches.create(record, ["m1", "m2"])
    async with backend.fresh() as other:
        found = there(await there(other.stores.batches).get("b"))
    assert (found.id, found.name, found.options, found.allow_failures) == ("b", "Import", b'{"any": 1}', True)
    assert (dict(found.callbacks), found.counts, found.failed_ids) == (CALLBACKS, BatchCounts(2, 2, 0), ())
    assert (found.created_at, found.finished_at, found.cancelled_at) == (1_700_000_000.0, None, None)


async def test_a_batch_is_created_once(batches: BatchStore) -> None:
    assert await batches.create(BatchRecord("b", name="first"), ["m1"])
    assert not await batches.create(BatchRecord("b", name="second"), ["m2", "m3"])
    assert (there(await batches.get("b")).name, await counts(batches)) == ("first", (1, 1, 0))


async def test_the_store_fills_in_when_a_batch_was_created(backend: Backend, batches: BatchStore) -> None:
    await batches.create(BatchRecord("b1"), ["m"])
    await backend.turn(backend.unit)
    await batches.create(BatchRecord("b2"), ["m"])
    first, second = there(await batches.get("b1")), there(await batches.get("b2"))
    assert second.created_at - first.created_at == pytest.approx(backend.unit, abs=0.05)


async def test_a_batch_without_members_is_finished_at_once(driver: Driver, batches: BatchStore) -> None:
    await create(batches)
    found = there(await batches.get("b"))
    assert (found.counts, found.finished_at) == (BatchCounts(0, 0, 0), found.created_at)
    assert ids(await rows(driver)) == ["push:batch:b:then", "push:batch:b:finally"]
    assert not await batches.grow("b", ["late"])


async def test_a_member_named_twice_is_one_member(batches: BatchStore) -> None:
    await create(batches, "m1", "m1", "m2")
    assert await counts(batches) == (2, 2, 0)


async def test_each_member_is_counted_once(driver: Driver, batches: BatchStore) -> None:
    await create(batches, "m1", "m2")
    assert await strike(batches, "m1") == ["progress:m1"]
    assert await strike(batches, "m1") == []
    assert await strike(batches, "m1", failed=True) == []
    assert await strike(batches, "stranger") == []
    assert await counts(batches) == (2, 1, 0)
    assert there(await batches.get("b")).finished_at is None
    assert ids(await rows(driver)) == ["push:batch:b:progress:m1"]


async def test_one_member_twice_in_one_call_is_counted_once(batches: BatchStore) -> None:
    await create(batches, "m1", "m2")
    assert await strike(batches, "m1", "m1") == ["progress:m1"]
    assert await counts(batches) == (2, 1, 0)


async def test_a_batch_in_which_all_went_well_calls_then(backend: Backend, batches: BatchStore) -> None:
    began = time.monotonic()
    await create(batches, "m1", "m2")
    await backend.turn(backend.unit)
    assert await strike(batches, "m1", "m2") == ["progress:m1", "progress:m2", "then", "finally"]
    longest = max(backend.unit, time.monotonic() - began)
    found = there(await batches.get("b"))
    assert (found.counts, found.cancelled_at) == (BatchCounts(2, 0, 0), None)
    assert backend.unit - 0.05 <= there(found.finished_at) - found.created_at <= longest + 0.05


async def test_the_first_failure_cancels_a_batch_and_calls_catch_once(batches: BatchStore) -> None:
    await create(batches, "m1", "m2", "m3")
    assert await strike(batches, "m1", failed=True) == ["progress:m1", "catch", "failure:m1"]
    found = there(await batches.get("b"))
    assert (found.failed_ids, found.finished_at) == (("m1",), None)
    assert found.cancelled_at == pytest.approx(found.created_at, abs=5)
    assert await strike(batches, "m2", failed=True) == ["progress:m2", "failure:m2"]
    assert await strike(batches, "m3") == ["progress:m3", "finally"]
    found = there(await batches.get("b"))
    assert (found.counts, sorted(found.failed_ids)) == (BatchCounts(3, 0, 2), ["m1", "m2"])
    assert found.finished_at is not None


async def test_a_batch_that_allows_failures_goes_on(batches: BatchStore) -> None:
    await create(batches, "m1", "m2", allow_failures=True)
    assert await strike(batches, "m1", failed=True) == ["progress:m1", "catch", "failure:m1"]
    assert there(await batches.get("b")).cancelled_at is None
    assert await strike(batches, "m2") == ["progress:m2", "finally"]
    assert there(await batches.get("b")).finished_at is not None


async def test_a_last_member_that_fails_ends_the_batch_in_order(batches: BatchStore) -> None:
    await create(batches, "m1")
    assert await strike(batches, "m1", failed=True) == ["progress:m1", "catch", "failure:m1", "finally"]


async def test_callbacks_lie_in_the_outbox_as_they_were_given(driver: Driver, batches: BatchStore) -> None:
    await create(batches, "m1")
    due = await batches.strike([BatchStrike("b", "m1")])
    assert [envelope.body for envelope in due] == [b"progress", b"then", b"{}\n[]"]
    last = due[2]
    assert (last.queue, last.delay, last.tags, last.name) == ("last", 1.5, ("x",), "app:Work")
    assert await rows(driver) == [push_row(envelope, "") for envelope in due]


async def test_a_batch_without_callbacks_only_counts(driver: Driver, batches: BatchStore) -> None:
    await batches.create(BatchRecord("b"), ["m1"])
    assert await strike(batches, "m1", failed=True) == []
    assert await counts(batches) == (1, 0, 1)
    assert await rows(driver) == []


async def test_strikes_of_unknown_batches_are_passed_over(batches: BatchStore) -> None:
    await create(batches, "m1", "m2")
    strikes = [BatchStrike("unknown", "m1"), BatchStrike("b", "m1")]
    assert ids(await batches.strike(strikes)) == ["batch:b:progress:m1"]
    assert list(await batches.strike([])) == []


async def test_an_unfinished_batch_may_grow(batches: BatchStore) -> None:
    await create(batches, "m1")
    assert await batches.grow("b", ["m2", "m3"], by="m1")
    assert await batches.grow("b", ["m4"])
    assert await counts(batches) == (4, 4, 0)
    assert await strike(batches, "m1", "m2", "m3") == ["progress:m1", "progress:m2", "progress:m3"]
    assert await strike(batches, "m4") == ["progress:m4", "then", "finally"]


async def test_a_finished_batch_does_not_grow(batches: BatchStore) -> None:
    await create(batches, "m1")
    await strike(batches, "m1")
    assert not await batches.grow("b", ["m2"])
    assert not await batches.grow("b", ["m2"], by="m1")
    assert not await batches.grow("unknown", ["m2"])
    assert await counts(batches) == (1, 0, 0)


async def test_a_member_is_not_added_again(batches: BatchStore) -> None:
    await create(batches, "m1", "m2")
    await strike(batches, "m1")
    assert await batches.grow("b", ["m1", "m2", "m3", "m3"])
    assert await counts(batches) == (3, 2, 0)
    assert await strike(batches, "m1") == []


async def test_cancel_marks_once(batches: BatchStore) -> None:
    await create(batches, "m1")
    assert await batches.cancel("b")
    assert not await batches.cancel("b")
    assert not await batches.cancel("unknown")
    found = there(await batches.get("b"))
    assert found.cancelled_at is not None
    assert (found.finished_at, found.counts) == (None, BatchCounts(1, 1, 0))


async def test_pages_list_the_newest_first(backend: Backend, batches: BatchStore) -> None:
    for number in range(5):
        await batches.create(BatchRecord(f"b{number}"), ["m"])
        await backend.turn(0.01)
    page = await batches.page(limit=2, offset=1)
    assert (ids(page.items), page.total) == (["b3", "b2"], 5)
    assert page.items[0].counts == BatchCounts(1, 1, 0)
    assert len((await batches.page()).items) == 5


async def test_remove_forgets_one_batch(batches: BatchStore) -> None:
    await create(batches, "m1")
    assert await batches.remove("b")
    assert not await batches.remove("b")
    assert await batches.get("b") is None
    assert await strike(batches, "m1") == []
    await create(batches, "m2")
    assert await counts(batches) == (1, 1, 0)


async def test_prune_forgets_by_kind_and_age(backend: Backend, batches: BatchStore) -> None:
    async def make(name: str) -> None:
        await batches.create(BatchRecord(f"{name}-done"), ["m"])
        await batches.strike([BatchStrike(f"{name}-done", "m")])
        await batches.create(BatchRecord(f"{name}-open"), ["m"])

    await make("old")
    await batches.create(BatchRecord("stopped"), ["m"])
    await batches.cancel("stopped")
    await backend.turn(backend.unit * 2)
    await make("new")
    assert await batches.prune() == 0
    assert await batches.prune(finished=backend.unit) == 1
    assert sorted(ids((await batches.page()).items)) == ["new-done", "new-open", "old-open", "stopped"]
    assert await batches.prune(cancelled=backend.unit * 3) == 0
    assert await batches.prune(cancelled=backend.unit) == 1
    assert await batches.prune(unfinished=backend.unit) == 1
    assert sorted(ids((await batches.page()).items)) == ["new-done", "new-open"]
