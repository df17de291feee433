"""Every call of a driver that changes something, with what stands before it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from asyncq.config import Connection
from asyncq.contracts import Clearable, Driver, Findable, Keeper, Turning
from asyncq.drivers import connect
from asyncq.payload import Done, Effects, Failed, Released, Reservation, Reserved, Settlement
from asyncq.records import BatchRecord, BatchStrike, OutboxRow, StoredResult
from asyncq.testing.conformance.jobs import failed_job, job, push, reserve, settle, there, unique_job

__all__ = [
    "LONG",
    "PLANS",
    "Plan",
    "Scene",
    "Step",
    "add_failed",
    "create",
    "force",
    "grow",
    "hand_back",
    "plain",
    "push_many",
    "push_three",
    "reserve_all",
    "reserve_alone",
    "reserve_beside_a_suspect",
    "reserve_two",
    "settle_plain",
    "settle_released",
    "settle_with_all_effects",
    "turn",
]

LONG = 1_000_000.0
CHUNK = 500
"""Jobs that one script of Redis moves; with one more a call takes two."""


@dataclass
class Scene:
    """Where one call plays: an empty store, and what was prepared there."""

    driver: Driver
    url: str
    held: list[Reservation] = field(default_factory=list[Reservation])


Step = Callable[[Scene], Awaitable[Any]]


@dataclass(frozen=True)
class Plan:
    """A call that changes something, and what stands before it."""

    prepare: Step
    call: Step

    @property
    def name(self) -> str:
        return f"{self.call.__name__} after {self.prepare.__name__}"


# --- what stands before -----------------------------------------------------------------------------------------------


async def nothing(scene: Scene) -> None:
    """Prepare nothing."""


async def three_jobs(scene: Scene) -> None:
    for name in "cba":
        await push(scene.driver, name)
    await push(scene.driver, "later", delay=LONG)


async def one_held(scene: Scene) -> None:
    await scene.driver.push([unique_job("key", "held", tags=("t",)), *(job(name) for name in "ab")])
    await there(scene.driver.stores.locks).acquire("lock", "owner", ttl=None)
    await create(scene)
    scene.held = await reserve(scene.driver, limit=1)


async def suspect(scene: Scene) -> None:
    """A job whose lease ran out twice, and an innocent one."""
    await push(scene.driver, "bad")
    async with connect(Connection(f"{scene.url}&lease=0.002")) as hasty:
        while not (await hasty.reserve(["default"], limit=1)).suspects:  # noqa: ASYNC110 - a lease has no event
            await asyncio.sleep(0.002)
    await push(scene.driver, "good")


async def many_jobs(scene: Scene) -> None:
    await push(scene.driver, *(f"job-{number}" for number in range(CHUNK + 1)))


async def old_failures(scene: Scene) -> None:
    await there(scene.driver.stores.failed).add(
        [failed_job(f"job-{number}", failed_at=1.0) for number in range(CHUNK + 1)]
    )


async def row(scene: Scene) -> None:
    await put_rows(scene)


# --- jobs -------------------------------------------------------------------------------------------------------------


async def push_three(scene: Scene) -> Any:
    await scene.driver.push([job("first", queue="second")])
    return await scene.driver.push([job("a"), unique_job("key", "b", queue="second"), unique_job("key", "c"), job("a")])


async def push_many(scene: Scene) -> Any:
    return await scene.driver.push([job(f"job-{number:03}") for number in range(CHUNK + 1)])


async def reserve_two(scene: Scene) -> Any:
    return await _holding(scene, await scene.driver.reserve(["second", "default"], limit=2))


async def reserve_all(scene: Scene) -> Any:
    return await _holding(scene, await scene.driver.reserve(["default"], limit=10))


async def reserve_alone(scene: Scene) -> Any:
    return await _holding(scene, await scene.driver.reserve(["default"], limit=2, alone=True))


async def reserve_beside_a_suspect(scene: Scene) -> Any:
    return await _holding(scene, await scene.driver.reserve(["default"], limit=2))


async def turn(scene: Scene) -> Any:
    assert isinstance(scene.driver, Turning)
    stale, reserved = await scene.driver.turn(
        [_ending(scene), Settlement(_stale(scene), Done())], ["default", "second"], limit=5
    )
    return stale, await _holding(scene, reserved)


async def settle_with_all_effects(scene: Scene) -> Any:
    return await scene.driver.settle([_ending(scene), Settlement(_stale(scene), Done())])


async def settle_plain(scene: Scene) -> Any:
    return await scene.driver.settle([Settlement(replace(scene.held[0], unique_key=None), Done())])


async def settle_released(scene: Scene) -> Any:
    return await settle(scene.driver, scene.held[0], Released(0.0, count="exception", body=b"new"))


async def hand_back(scene: Scene) -> Any:
    return await settle(scene.driver, scene.held[0], Released(None, count="nothing"))


async def extend(scene: Scene) -> Any:
    return await scene.driver.extend([*scene.held, _stale(scene)])


async def free(scene: Scene) -> Any:
    assert isinstance(scene.driver, Findable)
    return await scene.driver.free(scene.held[0])


async def cancel(scene: Scene) -> Any:
    assert isinstance(scene.driver, Findable)
    return await scene.driver.cancel(["a", "c", "unknown"])


async def clear(scene: Scene) -> Any:
    assert isinstance(scene.driver, Clearable)
    return await scene.driver.clear("default")


async def keeper_extend(scene: Scene) -> Any:
    return await _keep(scene, lambda keeper: keeper.extend([*scene.held, _stale(scene)]))


async def keeper_settle(scene: Scene) -> Any:
    return await _keep(scene, lambda keeper: keeper.settle([_ending(scene), Settlement(_stale(scene), Done())]))


async def _keep(scene: Scene, call: Callable[[Keeper], Any]) -> Any:
    """Use a keeper in a thread of its own, from its start to its end."""

    def kept() -> Any:
        with scene.driver.keeper() as keeper:
            return call(keeper)

    return await asyncio.to_thread(kept)


def _ending(scene: Scene) -> Settlement:
    effects = Effects(
        push=(job("next", queue="second"),),
        unlock=(("lock", "owner"),),
        strike=BatchStrike("batch", "a", failed=True),
        failed=failed_job("held"),
        result=StoredResult("held", b"1", LONG),
        outbox=(OutboxRow("row", "push", "other", b"body"),),
    )
    return Settlement(scene.held[0], Failed(ValueError("no")), effects)


def _stale(scene: Scene) -> Reservation:
    return replace(scene.held[0], id="stale")


async def _holding(scene: Scene, reserved: Reserved) -> Reserved:
    """What was answered must be held by who got it."""
    assert await scene.driver.extend(reserved.items) == []
    return reserved


# --- stores -----------------------------------------------------------------------------------------------------------


async def acquire(scene: Scene) -> Any:
    return await there(scene.driver.stores.locks).acquire("new", "owner", ttl=LONG)


async def release(scene: Scene) -> Any:
    return await there(scene.driver.stores.locks).release("lock", "owner")


async def extend_lock(scene: Scene) -> Any:
    return await there(scene.driver.stores.locks).extend("lock", "owner", ttl=LONG)


async def force(scene: Scene) -> Any:
    return await there(scene.driver.stores.locks).force("lock")


async def hit(scene: Scene) -> Any:
    return await there(scene.driver.stores.limits).hit("key", limit=5, per=LONG)


async def hit_the_last(scene: Scene) -> Any:
    return replace(await there(scene.driver.stores.limits).hit("key", limit=1, per=LONG), retry_after=0.0)


async def forget_hits(scene: Scene) -> Any:
    return await there(scene.driver.stores.limits).clear("key")


async def hit_sliding(scene: Scene) -> Any:
    return await there(scene.driver.stores.limits).hit("key", limit=5, per=LONG, sliding=True)


async def enter(scene: Scene) -> Any:
    return await there(scene.driver.stores.funnels).acquire("key", "owner", limit=2, ttl=LONG)


async def leave(scene: Scene) -> Any:
    return await there(scene.driver.stores.funnels).release("key", "owner")


async def stay(scene: Scene) -> Any:
    return await there(scene.driver.stores.funnels).extend("key", "owner", ttl=LONG)


async def create(scene: Scene) -> Any:
    record = BatchRecord("batch", callbacks={name: job(f"cb-{name}") for name in ("catch", "then", "finally")})
    return await there(scene.driver.stores.batches).create(record, ["a", "b"])


async def grow(scene: Scene) -> Any:
    return await there(scene.driver.stores.batches).grow("batch", ["b", "c"], by="a")


async def strike(scene: Scene) -> Any:
    strikes = [BatchStrike("batch", "a"), BatchStrike("batch", "b", failed=True)]
    return await there(scene.driver.stores.batches).strike(strikes)


async def cancel_batch(scene: Scene) -> Any:
    return await there(scene.driver.stores.batches).cancel("batch")


async def remove_batch(scene: Scene) -> Any:
    return await there(scene.driver.stores.batches).remove("batch")


async def prune_batches(scene: Scene) -> Any:
    return await there(scene.driver.stores.batches).prune(unfinished=-1.0)


async def add_failed(scene: Scene) -> Any:
    return await there(scene.driver.stores.failed).add([failed_job("a"), failed_job("b")])


async def remove_failed(scene: Scene) -> Any:
    return await there(scene.driver.stores.failed).remove(["job-1", "unknown"])


async def prune_failed(scene: Scene) -> Any:
    return await there(scene.driver.stores.failed).prune(older=1.0)


async def put_signal(scene: Scene) -> Any:
    return await there(scene.driver.stores.signals).put("flag", b"on", ttl=LONG)


async def forget_signal(scene: Scene) -> Any:
    return await there(scene.driver.stores.signals).forget(["flag", "unknown"])


async def put_result(scene: Scene) -> Any:
    return await there(scene.driver.stores.results).put(StoredResult("job", b"1", LONG))


async def put_rows(scene: Scene) -> Any:
    return await there(scene.driver.stores.outbox).put(
        [OutboxRow("one", "push", "", b""), OutboxRow("two", "push", "", b"")]
    )


async def take_row(scene: Scene) -> Any:
    return await there(scene.driver.stores.outbox).take(limit=1, lease=LONG)


async def rows_done(scene: Scene) -> Any:
    return await there(scene.driver.stores.outbox).done(["one"])


PLANS = [
    Plan(nothing, push_three),
    Plan(nothing, push_many),
    Plan(three_jobs, reserve_two),
    Plan(three_jobs, reserve_all),
    Plan(suspect, reserve_alone),
    Plan(suspect, reserve_beside_a_suspect),
    Plan(one_held, turn),
    Plan(one_held, settle_with_all_effects),
    Plan(one_held, settle_plain),
    Plan(one_held, settle_released),
    Plan(one_held, hand_back),
    Plan(one_held, extend),
    Plan(one_held, free),
    Plan(three_jobs, cancel),
    Plan(many_jobs, clear),
    Plan(one_held, keeper_extend),
    Plan(one_held, keeper_settle),
    Plan(nothing, acquire),
    Plan(one_held, release),
    Plan(one_held, extend_lock),
    Plan(one_held, force),
    Plan(nothing, hit),
    Plan(nothing, hit_the_last),
    Plan(hit, forget_hits),
    Plan(nothing, hit_sliding),
    Plan(hit_sliding, forget_hits),
    Plan(nothing, enter),
    Plan(enter, leave),
    Plan(enter, stay),
    Plan(nothing, create),
    Plan(create, grow),
    Plan(create, strike),
    Plan(create, cancel_batch),
    Plan(create, remove_batch),
    Plan(create, prune_batches),
    Plan(nothing, add_failed),
    Plan(old_failures, remove_failed),
    Plan(old_failures, prune_failed),
    Plan(nothing, put_signal),
    Plan(put_signal, forget_signal),
    Plan(nothing, put_result),
    Plan(nothing, put_rows),
    Plan(row, take_row),
    Plan(row, rows_done),
]


def plain(text: str) -> str:
    """Make instants and tokens like any others."""
    text = re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "TOKEN", text)
    return re.sub(r"\d{16}|\d{10}\.\d+|next_due=\d+\.\d+", "TIME", text)
