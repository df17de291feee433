# over budget: module: one table of all calls of a driver, each with what stands before and what must hold after
"""The calls of a driver as scenarios: what stands before, the call, and what must hold after it was cancelled.

Each scenario has queues, keys and ids of its own by its tag, so that many of them stand in one store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from asyncq.contracts import Clearable, Driver, Findable, Inspectable, Turning
from asyncq.payload import Done, Effects, Released, Reservation, Settlement
from asyncq.records import BatchRecord, BatchStrike, OutboxRow, StoredResult
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import failed_job, ids, job, push, reserve, settle, there, unique_job
from asyncq.testing.conformance.relaying import relayed

__all__ = ["SCENARIOS", "Scenario", "Stage", "nothing"]

LONG = 1_000_000.0


@dataclass
class Stage:
    """Where one scenario plays."""

    backend: Backend
    driver: Driver
    tag: str
    held: list[Reservation] = field(default_factory=list[Reservation])
    seen: int = 0
    """What the check saw and `late` needs."""

    @property
    def later(self) -> str:
        """A second queue of this scenario."""
        return f"{self.tag}-later"

    def id(self, name: str) -> str:
        """An id of this scenario."""
        return f"{self.tag}-{name}"

    def names(self, found: Any) -> list[str]:
        """The names behind the ids of jobs of this scenario."""
        return [id.removeprefix(f"{self.tag}-") for id in ids(found)]

    async def push(self, *names: str, **fields: Any) -> None:
        """Push jobs of this scenario."""
        await push(self.driver, *(self.id(name) for name in names), queue=self.tag, **fields)

    async def reserve(self) -> list[str]:
        """Reserve all that is due in this scenario's queues."""
        return self.names(await reserve(self.driver, self.tag, self.later))

    async def all_held(self) -> list[Reservation]:
        """Reserve all that is due, with all that is known about it."""
        return await reserve(self.driver, self.tag, self.later)


Step = Callable[[Stage], Awaitable[Any]]


@dataclass(frozen=True)
class Scenario:
    """`check` gets a stage whose driver was opened afresh; it must hold however far the call came.

    Time passes for all stages at once, so what must hold when every lease has ended is a step of its own: `late`.
    """

    name: str
    prepare: Step
    call: Step
    check: Step
    late: Step
    needs: frozenset[str] = frozenset()
    endless: bool = False
    """The call ends only by being cancelled."""


async def nothing(stage: Stage) -> None:
    """Prepare nothing."""


async def three_jobs(stage: Stage) -> None:
    await stage.push("a", "b", "c")


async def held_job(stage: Stage) -> None:
    unique = unique_job(stage.tag, stage.id("a"), queue=stage.tag)
    await stage.driver.push([unique])
    stage.held = await reserve(stage.driver, stage.tag)
    await there(stage.driver.stores.locks).acquire(stage.id("lock"), "owner", ttl=None)


# --- push, reserve, wait ----------------------------------------------------------------------------------------------


async def push_two(stage: Stage) -> None:
    await stage.driver.push(
        [job(stage.id("a"), queue=stage.tag), unique_job(stage.tag, stage.id("b"), queue=stage.tag)]
    )


async def pushed_once(stage: Stage) -> None:
    first = await stage.reserve()
    assert first in ([], ["a", "b"]), "a push is all or nothing"
    await push_two(stage)
    assert first + await stage.reserve() == ["a", "b"]


async def reserve_two(stage: Stage) -> None:
    await stage.driver.reserve([stage.tag], limit=2)


async def turn_two(stage: Stage) -> None:
    assert isinstance(stage.driver, Turning)
    await stage.driver.turn([], [stage.tag], limit=2)


async def two_or_none_are_held(stage: Stage) -> None:
    size = (await stage.driver.sizes([stage.tag]))[stage.tag]
    assert (size.total, size.delayed, size.reserved in {0, 2}) == (3, 0, True)
    stage.seen = size.reserved


async def all_come_back(stage: Stage) -> None:
    back = await stage.all_held()
    assert (stage.names(back), {held.attempt for held in back}) == (["a", "b", "c"], {1})
    assert [held.crashes for held in back] == [stage.seen // 2] * 2 + [0]


async def wait_long(stage: Stage) -> None:
    await stage.driver.wait([stage.tag], timeout=LONG)


async def wait_works(stage: Stage) -> None:
    await stage.push("a")
    await stage.driver.wait([stage.tag], timeout=LONG)
    assert await stage.reserve() == ["a"]


# --- settle, extend, turn ---------------------------------------------------------------------------------------------


def ending(stage: Stage) -> list[Settlement]:
    effects = Effects(
        push=(job(stage.id("next"), queue=stage.later),),
        unlock=((stage.id("lock"), "owner"),),
        failed=failed_job(stage.id("a")),
        result=StoredResult(stage.id("a"), b"1", LONG),
    )
    return [Settlement(stage.held[0], Done(), effects)]


async def settle_done(stage: Stage) -> None:
    await stage.driver.settle(ending(stage))


async def keep_and_settle(stage: Stage) -> None:
    """Let a keeper do it, which cannot be cancelled: the measure of the others."""

    def keep() -> None:
        with stage.driver.keeper() as keeper:
            keeper.settle(ending(stage))

    await asyncio.shield(asyncio.to_thread(keep))


async def settled_entirely_or_not(stage: Stage) -> None:
    await relayed(stage.driver)
    stores = stage.driver.stores
    size = (await stage.driver.sizes([stage.tag]))[stage.tag]
    over = {
        "job": size.total == 0,
        "push": (await stage.driver.sizes([stage.later]))[stage.later].total == 1,
        "unlock": await there(stores.locks).owner(stage.id("lock")) is None,
        "failed": bool(await there(stores.failed).get([stage.id("a")])),
        "result": await there(stores.results).get(stage.id("a")) is not None,
    }
    assert len(set(over.values())) == 1, f"half a settlement: {over}"
    stale = await stage.driver.settle(ending(stage))
    assert bool(stale) == over["job"], "a repeat is stale if the first one counted"
    assert (await stage.driver.push([unique_job(stage.tag, queue="unread")]))[0].created


async def only_the_next_is_there(stage: Stage) -> None:
    await relayed(stage.driver)
    assert await stage.reserve() == ["next"]


async def settle_released(stage: Stage) -> None:
    await stage.driver.settle([Settlement(stage.held[0], Released(0.0, count="exception", body=b"new"))])


async def released_once(stage: Stage) -> None:
    await settle_released(stage)
    (back,) = await reserve(stage.driver, stage.tag)
    assert (back.attempt, back.exceptions, back.crashes, back.body) == (2, 1, 0, b"new")


async def extend(stage: Stage) -> None:
    await stage.driver.extend(stage.held)


async def still_held(stage: Stage) -> None:
    assert list(await stage.driver.extend(stage.held)) == []
    assert await settle(stage.driver, stage.held[0], Done()) == []


async def none_is_there(stage: Stage) -> None:
    assert await stage.reserve() == []


async def held_and_waiting(stage: Stage) -> None:
    await held_job(stage)
    await stage.push("b", "c")


async def turn_all(stage: Stage) -> None:
    assert isinstance(stage.driver, Turning)
    await stage.driver.turn(ending(stage), [stage.tag], limit=5)


async def turned_entirely_or_not(stage: Stage) -> None:
    await relayed(stage.driver)
    size = (await stage.driver.sizes([stage.tag]))[stage.tag]
    settled = (await stage.driver.sizes([stage.later]))[stage.later].total == 1
    # Either nothing happened, or it all did; a driver may lease less than it could, never more.
    assert size.total == 2 + (not settled)
    assert size.reserved in ({0, 2} if settled else {1})
    await stage.driver.settle(ending(stage))


async def the_others_come_back(stage: Stage) -> None:
    await relayed(stage.driver)
    assert await stage.reserve() == ["b", "c", "next"]


# --- looking, and taking out by hand ----------------------------------------------------------------------------------


async def sizes(stage: Stage) -> None:
    await stage.driver.sizes([stage.tag])


async def find(stage: Stage) -> None:
    assert isinstance(stage.driver, Findable)
    await stage.driver.find([stage.id("a")])


async def look_at_pages(stage: Stage) -> None:
    assert isinstance(stage.driver, Inspectable)
    await stage.driver.queues()
    await stage.driver.page(stage.tag, "ready")


async def untouched(stage: Stage) -> None:
    assert await stage.reserve() == ["a", "b", "c"]


async def cancel_two(stage: Stage) -> None:
    assert isinstance(stage.driver, Findable)
    await stage.driver.cancel([stage.id("a"), stage.id("b")])


async def cancelled(stage: Stage) -> None:
    assert (await stage.driver.sizes([stage.tag]))[stage.tag].total in {1, 3}
    await cancel_two(stage)
    assert await stage.reserve() == ["c"]


async def clear(stage: Stage) -> None:
    assert isinstance(stage.driver, Clearable)
    await stage.driver.clear(stage.tag)


async def cleared(stage: Stage) -> None:
    assert (await stage.driver.sizes([stage.tag]))[stage.tag].total in {0, 3}
    await clear(stage)


async def free(stage: Stage) -> None:
    assert isinstance(stage.driver, Findable)
    await stage.driver.free(stage.held[0])


async def freed(stage: Stage) -> None:
    await free(stage)
    assert (await stage.driver.push([unique_job(stage.tag, queue="unread")]))[0].created
    assert await settle(stage.driver, stage.held[0], Done()) == []


# --- stores -----------------------------------------------------------------------------------------------------------


async def acquire(stage: Stage) -> None:
    await there(stage.driver.stores.locks).acquire(stage.tag, "owner", ttl=None)


async def acquired(stage: Stage) -> None:
    locks = there(stage.driver.stores.locks)
    assert await locks.acquire(stage.tag, "owner", ttl=None)
    assert await locks.release(stage.tag, "owner")
    assert await locks.owner(stage.tag) is None


async def hit(stage: Stage) -> None:
    await there(stage.driver.stores.limits).hit(stage.tag, limit=5, per=LONG)


async def hit_at_most_once(stage: Stage) -> None:
    assert (await there(stage.driver.stores.limits).hit(stage.tag, limit=5, per=LONG)).remaining in {3, 4}


async def create(stage: Stage) -> None:
    record = BatchRecord(stage.tag, callbacks={"then": job()})
    await there(stage.driver.stores.batches).create(record, ["a", "b"])


async def created(stage: Stage) -> None:
    batches = there(stage.driver.stores.batches)
    found = await batches.get(stage.tag)
    assert found is None or found.counts.total == 2, "half a batch"
    await create(stage)
    assert there(await batches.get(stage.tag)).counts.pending == 2


async def strike(stage: Stage) -> None:
    await there(stage.driver.stores.batches).strike([BatchStrike(stage.tag, "a"), BatchStrike(stage.tag, "b")])


async def struck_once(stage: Stage) -> None:
    batches, outbox = there(stage.driver.stores.batches), there(stage.driver.stores.outbox)
    assert there(await batches.get(stage.tag)).counts.pending in {0, 2}
    await strike(stage)
    assert there(await batches.get(stage.tag)).counts.pending == 0
    rows = ids(await outbox.take(limit=1_000, lease=0.0))
    assert rows.count(f"push:batch:{stage.tag}:then") == 1


async def grow(stage: Stage) -> None:
    await there(stage.driver.stores.batches).grow(stage.tag, ["c", "d"])


async def grown(stage: Stage) -> None:
    batches = there(stage.driver.stores.batches)
    assert there(await batches.get(stage.tag)).counts.total in {2, 4}
    await grow(stage)
    assert there(await batches.get(stage.tag)).counts.total == 4


async def add_failed(stage: Stage) -> None:
    await there(stage.driver.stores.failed).add([failed_job(stage.id("a")), failed_job(stage.id("b"))])


async def failed_added(stage: Stage) -> None:
    failed = there(stage.driver.stores.failed)
    names = [stage.id("a"), stage.id("b")]
    assert len(await failed.get(names)) in {0, 2}
    await add_failed(stage)
    assert ids(await failed.get(names)) == names
    assert await failed.remove(names) == 2


async def put_signal(stage: Stage) -> None:
    await there(stage.driver.stores.signals).put(stage.tag, b"on")


async def signal_put(stage: Stage) -> None:
    signals = there(stage.driver.stores.signals)
    assert len(await signals.get([stage.tag])) in {0, 1}
    await put_signal(stage)
    assert await signals.forget([stage.tag]) == 1


async def wait_result(stage: Stage) -> None:
    await there(stage.driver.stores.results).wait(stage.tag, timeout=LONG)


async def result_arrives(stage: Stage) -> None:
    results = there(stage.driver.stores.results)
    await results.put(StoredResult(stage.tag, b"1", LONG))
    assert there(await results.wait(stage.tag, timeout=LONG)).body == b"1"


async def put_row(stage: Stage) -> None:
    await there(stage.driver.stores.outbox).put([OutboxRow(stage.tag, "push", "", b"")])


async def take_row(stage: Stage) -> None:
    await there(stage.driver.stores.outbox).take(limit=1_000, lease=stage.driver.lease)


async def row_comes_back(stage: Stage) -> None:
    outbox = there(stage.driver.stores.outbox)
    assert ids(await outbox.take(limit=1_000, lease=0.0)).count(stage.tag) == 1
    await outbox.done([stage.tag])


def _scenario(*plan: Step, needs: str = "", late: Step = nothing, endless: bool = False) -> Scenario:
    prepare, call, check = plan
    return Scenario(call.__name__, prepare, call, check, late, frozenset(needs.split()), endless)


SETTLING = "locks failed results"

SCENARIOS = [
    _scenario(nothing, push_two, pushed_once),
    _scenario(three_jobs, reserve_two, two_or_none_are_held, late=all_come_back),
    _scenario(three_jobs, turn_two, two_or_none_are_held, late=all_come_back, needs="turning"),
    _scenario(nothing, wait_long, wait_works, endless=True),
    _scenario(held_job, settle_done, settled_entirely_or_not, late=only_the_next_is_there, needs=SETTLING),
    _scenario(held_job, keep_and_settle, settled_entirely_or_not, late=only_the_next_is_there, needs=SETTLING),
    _scenario(held_job, settle_released, released_once, needs="locks"),
    _scenario(held_job, extend, still_held, late=none_is_there, needs="locks"),
    _scenario(
        held_and_waiting, turn_all, turned_entirely_or_not, late=the_others_come_back, needs=f"turning {SETTLING}"
    ),
    _scenario(three_jobs, sizes, untouched),
    _scenario(three_jobs, find, untouched, needs="findable"),
    _scenario(three_jobs, look_at_pages, untouched, needs="inspectable"),
    _scenario(three_jobs, cancel_two, cancelled, needs="findable"),
    _scenario(three_jobs, clear, cleared, late=none_is_there, needs="clearable"),
    _scenario(held_job, free, freed, late=none_is_there, needs="findable locks"),
    _scenario(nothing, acquire, acquired, needs="locks"),
    _scenario(nothing, hit, hit_at_most_once, needs="limits"),
    _scenario(nothing, create, created, needs="batches"),
    _scenario(create, strike, struck_once, needs="batches outbox"),
    _scenario(create, grow, grown, needs="batches"),
    _scenario(nothing, add_failed, failed_added, needs="failed"),
    _scenario(nothing, put_signal, signal_put, needs="signals"),
    _scenario(nothing, wait_result, result_arrives, endless=True, needs="results"),
    _scenario(nothing, put_row, put_row, late=row_comes_back, needs="outbox"),
    _scenario(put_row, take_row, nothing, late=row_comes_back, needs="outbox"),
]
