"""What a settlement does beside its job: all of it in the same step, nothing of it when it is stale."""

from __future__ import annotations

from typing import Any

import pytest

from asyncq.contracts import Driver
from asyncq.outbox import pack
from asyncq.payload import Cancelled, Done, Effects, Failed, Outcome, Released, Settlement, Skipped
from asyncq.records import BatchRecord, BatchStrike, OutboxRow, StoredResult
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import failed_job, ids, job, push, reserve, reserve_one, settle, there, unique_job
from asyncq.testing.conformance.relaying import relayed

OUTCOMES: list[Outcome] = [Done(), Skipped(), Failed(ValueError("no")), Cancelled(), Released(5.0)]

ROW = OutboxRow("row", "unlock", "elsewhere", pack(("key", "owner")))

pytestmark = pytest.mark.needs("locks", "batches", "failed", "results", "outbox")


async def prepare(driver: Driver) -> dict[str, Any]:
    """Set up what the effects refer to; returns one of each."""
    await there(driver.stores.locks).acquire("key", "owner", ttl=None)
    await there(driver.stores.batches).create(BatchRecord("batch", callbacks={"then": job(queue="callbacks")}), ["a"])
    return {
        "push": (job("next", queue="later"),),
        "unlock": (("key", "owner"),),
        "strike": BatchStrike("batch", "a"),
        "failed": failed_job("a"),
        "result": StoredResult("a", b"[1]", 1_000.0),
        "outbox": (ROW,),
    }


async def seen(driver: Driver) -> dict[str, bool]:
    """Say which effects can be seen."""
    await relayed(driver)
    stores = driver.stores
    batch = there(await there(stores.batches).get("batch"))
    rows = await there(stores.outbox).take(limit=10, lease=0.001)
    return {
        "push": (await driver.sizes(["later"]))["later"].ready == 1,
        "unlock": await there(stores.locks).owner("key") is None,
        "strike": batch.finished_at is not None and (await driver.sizes(["callbacks"]))["callbacks"].ready == 1,
        "failed": len(await there(stores.failed).get(["a"])) == 1,
        "result": await there(stores.results).get("a") == StoredResult("a", b"[1]", 1_000.0),
        "outbox": ROW in rows,
    }


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
async def test_every_outcome_brings_its_effects(backend: Backend, driver: Driver, outcome: Outcome) -> None:
    effects = await prepare(driver)
    await push(driver, "a")
    assert await settle(driver, await reserve_one(driver), outcome, **effects) == []
    async with backend.fresh() as other:
        assert await seen(other) == dict.fromkeys(effects, True)


@pytest.mark.parametrize("name", ["push", "unlock", "strike", "failed", "result", "outbox"])
async def test_each_effect_comes_by_itself(driver: Driver, name: str) -> None:
    effects = await prepare(driver)
    await push(driver, "a")
    await settle(driver, await reserve_one(driver), Done(), **{name: effects[name]})
    assert await seen(driver) == {effect: effect == name for effect in effects}


@pytest.mark.parametrize("outcome", OUTCOMES, ids=lambda outcome: type(outcome).__name__)
async def test_a_stale_settlement_has_no_effects(backend: Backend, driver: Driver, outcome: Outcome) -> None:
    effects = await prepare(driver)
    await push(driver, "a")
    held = await reserve_one(driver)
    await backend.turn(driver.lease + 0.01)
    await driver.reserve(["default"], limit=0)
    assert await settle(driver, held, outcome, **effects) == ["a"]
    assert await seen(driver) == dict.fromkeys(effects, False)
    assert ids(await reserve(driver)) == ["a"]


async def test_a_stale_settlement_does_not_stop_the_others_of_its_call(driver: Driver) -> None:
    await push(driver, "a", "b", "c")
    held = await reserve(driver)
    await settle(driver, held[1], Done())
    settlements = [Settlement(one, Done(), Effects(push=(job(f"after-{one.id}"),))) for one in held]
    assert ids(await driver.settle(settlements)) == ["b"]
    assert ids(await reserve(driver)) == ["after-a", "after-c"]


async def test_a_pushed_effect_is_idempotent_by_its_id(driver: Driver) -> None:
    await push(driver, "a", "b")
    first, second = await reserve(driver)
    await settle(driver, first, Done(), push=(job("next", body=b"first"),))
    assert await settle(driver, second, Done(), push=(job("next", body=b"second"), job("more"))) == []
    assert sorted((held.id, held.body) for held in await reserve(driver)) == [("more", b"{}\n[]"), ("next", b"first")]


async def test_a_pushed_effect_may_have_a_delay(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    await settle(driver, await reserve_one(driver), Done(), push=(job("next", delay=backend.unit),))
    assert await reserve(driver) == []
    await backend.turn(backend.unit + 0.01)
    assert ids(await reserve(driver)) == ["next"]


async def test_the_successor_of_a_unique_job_may_have_its_key(driver: Driver) -> None:
    await driver.push([unique_job("key", "a")])
    assert await settle(driver, await reserve_one(driver), Done(), push=(unique_job("key", "b"),)) == []
    assert ids(await reserve(driver)) == ["b"]


async def test_a_pushed_effect_whose_key_is_held_is_not_stored(driver: Driver) -> None:
    await driver.push([unique_job("key", "holder", delay=5.0), job("a")])
    assert await settle(driver, await reserve_one(driver), Done(), push=(unique_job("key", "b"),)) == []
    assert await reserve(driver) == []


async def test_a_lock_of_somebody_else_is_not_freed(driver: Driver) -> None:
    locks = there(driver.stores.locks)
    await locks.acquire("key", "somebody", ttl=None)
    await push(driver, "a")
    await settle(driver, await reserve_one(driver), Done(), unlock=(("key", "owner"), ("unknown", "owner")))
    assert await locks.owner("key") == "somebody"


async def test_a_failed_record_without_an_instant_gets_that_of_the_store(driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    await settle(driver, held, Failed(ValueError("no")), failed=failed_job("a"))
    await relayed(driver)
    (record,) = await there(driver.stores.failed).get(["a"])
    assert record.failed_at == pytest.approx(held.reserved_at, abs=5)


async def test_the_callbacks_of_a_batch_are_jobs_in_the_same_step(driver: Driver) -> None:
    batches = there(driver.stores.batches)
    names = ("progress", "then", "catch", "failure", "finally")
    await batches.create(BatchRecord("batch", callbacks={name: job(body=name.encode()) for name in names}), ["a", "b"])
    await push(driver, "a", "b")
    first, second = await reserve(driver)
    await settle(driver, first, Failed(ValueError("no")), strike=BatchStrike("batch", "a", failed=True))
    await relayed(driver)
    found = {held.id.removeprefix("batch:batch:"): held.body for held in await reserve(driver)}
    assert found == {"progress:a": b"progress", "catch": b"catch", "failure:a": b"failure"}
    await settle(driver, second, Done(), strike=BatchStrike("batch", "b"))
    await relayed(driver)
    assert sorted(ids(await reserve(driver))) == ["batch:batch:finally", "batch:batch:progress:b"]
    assert list(await there(driver.stores.outbox).take(limit=10, lease=1.0)) == []


async def test_a_member_is_counted_once_however_often_it_ends(driver: Driver) -> None:
    batches = there(driver.stores.batches)
    await batches.create(BatchRecord("batch"), ["a", "b"])
    await push(driver, "a")
    await settle(driver, await reserve_one(driver), Done(), strike=BatchStrike("batch", "a"))
    await push(driver, "a")
    await settle(driver, await reserve_one(driver), Done(), strike=BatchStrike("batch", "a"))
    await relayed(driver)
    counts = there(await batches.get("batch")).counts
    assert (counts.total, counts.pending, counts.failed) == (2, 1, 0)


async def test_a_row_that_is_there_is_kept_as_it_was(driver: Driver) -> None:
    await push(driver, "a", "b")
    first, second = await reserve(driver)
    await settle(driver, first, Done(), outbox=(ROW,))
    await settle(driver, second, Done(), outbox=(OutboxRow("row", "unlock", "another", b"[]"),))
    assert list(await there(driver.stores.outbox).take(limit=10, lease=1.0)) == [ROW]
