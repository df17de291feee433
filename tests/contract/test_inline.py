"""The drivers that store no jobs: `sync`, `background` and `deferred` have them run, `null` forgets them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asyncq.contracts import Driver, Findable, Inline
from asyncq.drivers import connect
from asyncq.drivers.background import BackgroundDriver
from asyncq.drivers.deferred import DeferredDriver
from asyncq.drivers.null import NullDriver
from asyncq.drivers.sync import SyncDriver
from asyncq.errors import ConfigError, NotOpen
from asyncq.payload import Done, Envelope, Reservation, Reserved, Settlement
from asyncq.records import BatchCounts, BatchRecord, BatchStrike, OutboxRow, QueueSize, StoredResult, WaitingJob
from asyncq.testing import TurnableClock
from asyncq.testing.conformance.jobs import failed_job, ids, job, there, unique_job

GHOST = Reservation("a", "default", "app:Work", "token", 1, 0, 0, b"", 0.0)

both = pytest.mark.parametrize("url", ["sync://", "background://", "deferred://", "null://"])


class Doing:
    """Runs jobs as a test says."""

    def __init__(self, run: Callable[[Envelope], Coroutine[Any, Any, None]]) -> None:
        self._run = run
        self.taken: list[tuple[str, float, bool]] = []

    async def run(self, envelope: Envelope, /) -> None:
        await self._run(envelope)

    def take(self, envelopes: Sequence[Envelope], /, *, grace: float, after_response: bool) -> None:
        self.taken += [(envelope.id, grace, after_response) for envelope in envelopes]

    def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        job = WaitingJob("a", "default", "app:Work", "ready", 0.0, 0, 0, 0, b"")
        return {id: job for id in ids if id == "a"}

    def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        return [id for id in ids if id == "a"]


async def run_nothing(envelope: Envelope) -> None:
    """Run a job that does nothing."""


def opened(url: str) -> Driver:
    driver = connect(url)
    if isinstance(driver, Inline):
        driver.bind(Doing(run_nothing))
    return driver


def sync_driver() -> SyncDriver:
    driver = connect("sync://")
    assert isinstance(driver, SyncDriver)
    return driver


@both
async def test_what_was_pushed_cannot_be_reserved(url: str) -> None:
    async with opened(url) as driver:
        answers = await driver.push([job("a"), job("b", delay=5.0)])
        assert [(answer.id, answer.created) for answer in answers] == [("a", True), ("b", True)]
        assert await driver.reserve(["default"], limit=10) == Reserved()
        assert await driver.reserve(["default"], limit=10, alone=True) == Reserved()
        assert await driver.sizes(["default", "other"]) == {"default": QueueSize(), "other": QueueSize()}


@both
async def test_ids_and_unique_keys_are_not_kept(url: str) -> None:
    async with opened(url) as driver:
        for _ in range(2):
            assert [answer.created for answer in await driver.push([job("a"), unique_job("key")])] == [True, True]


@both
async def test_every_reservation_is_stale(url: str) -> None:
    async with opened(url) as driver:
        assert list(await driver.settle([Settlement(GHOST, Done())])) == [GHOST]
        assert list(await driver.extend([GHOST])) == [GHOST]
        with driver.keeper() as keeper:
            assert list(keeper.extend([GHOST])) == [GHOST]
            assert list(keeper.settle([Settlement(GHOST, Done())])) == [GHOST]


@both
async def test_a_wait_ends_with_its_timeout(url: str) -> None:
    clock = TurnableClock()
    async with connect(url, clock=clock.clock) as driver:
        with anyio.fail_after(10):
            await driver.wait(["default"], timeout=0.0)
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: driver.wait(["default"], timeout=5.0))
                while not clock.waiting:
                    await anyio.lowlevel.checkpoint()
                clock.turn(5.0)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("sync://", SyncDriver),
        ("background://", BackgroundDriver),
        ("deferred://", DeferredDriver),
        ("null://", NullDriver),
    ],
)
async def test_their_traits_say_that_they_store_nothing(url: str, kind: type) -> None:
    traits = connect(url).traits
    assert type(connect(url)) is kind
    assert (traits.persistent, traits.shared, traits.unique_scope) == (False, False, "none")
    assert (traits.runs_inline, traits.discards) == (url != "null://", url == "null://")


async def test_sync_runs_jobs_in_order_and_at_once() -> None:
    ran: list[str] = []

    async def run(envelope: Envelope) -> None:
        await anyio.lowlevel.checkpoint()
        ran.append(envelope.id)

    driver = sync_driver()
    driver.bind(Doing(run))
    async with driver:
        await driver.push([job("b"), job("a", delay=3_600.0), job("c", queue="other")])
        assert ran == ["b", "a", "c"]


async def test_the_error_of_a_sync_job_reaches_the_caller() -> None:
    ran: list[str] = []

    async def run(envelope: Envelope) -> None:
        ran.append(envelope.id)
        if envelope.id == "b":
            raise LookupError("no")

    driver = sync_driver()
    driver.bind(Doing(run))
    async with driver:
        with pytest.raises(LookupError, match="no"):
            await driver.push([job("a"), job("b"), job("c")])
        assert ran == ["a", "b"]


async def test_a_sync_job_may_push_another_one() -> None:
    ran: list[str] = []
    driver = sync_driver()

    async def run(envelope: Envelope) -> None:
        if envelope.id == "outer":
            await driver.push([job("inner")])
        ran.append(envelope.id)

    driver.bind(Doing(run))
    async with driver:
        await driver.push([job("outer")])
    assert ran == ["inner", "outer"]


@pytest.mark.parametrize("url", ["sync://", "background://", "deferred://"])
async def test_they_say_what_is_missing_where_nothing_is_bound(url: str) -> None:
    async with connect(url, name="now") as driver:
        with pytest.raises(NotOpen, match="now"):
            await driver.push([job("a")])


@pytest.mark.parametrize(("url", "after"), [("background://", False), ("deferred://?grace=3", True)])
async def test_background_and_deferred_hand_their_jobs_over_and_find_those_that_have_not_ended(
    url: str, after: bool
) -> None:
    doing = Doing(run_nothing)
    async with connect(url) as driver:
        assert isinstance(driver, Inline)
        assert isinstance(driver, Findable)
        driver.bind(doing)
        await driver.push([job("a"), job("b", delay=3_600.0)])
        assert doing.taken == [("a", 3.0 if after else 20.0, after), ("b", 3.0 if after else 20.0, after)]
        assert list(await driver.find(["a", "b"])) == ["a"]
        assert list(await driver.cancel(["a", "b"])) == ["a"]
        assert not await driver.free(GHOST)


@pytest.mark.parametrize("grace", ["soon", "-1", "inf", "nan"])
async def test_a_grace_that_is_no_time_is_refused(grace: str) -> None:
    with pytest.raises(ConfigError, match=f"connection 'now': grace='{grace}' must be a number of seconds, 0 or more"):
        connect(f"background://?grace={grace}", name="now")


async def test_sync_has_stores_that_work_within_the_process() -> None:
    clock = TurnableClock()
    one, two, own = (connect(url, clock=clock.clock) for url in ("sync://name", "sync://name", "sync://"))
    assert await there(one.stores.locks).acquire("key", "one", ttl=None)
    assert not await there(two.stores.locks).acquire("key", "two", ttl=None)
    assert await there(own.stores.locks).acquire("key", "two", ttl=None)
    await there(one.stores.batches).create(BatchRecord("b", callbacks={"then": job()}), ["m"])
    assert ids(await there(two.stores.batches).strike([BatchStrike("b", "m")])) == ["batch:b:then"]
    assert there(await there(two.stores.batches).get("b")).counts == BatchCounts(1, 0, 0)


async def test_sync_and_memory_of_one_name_are_two_stores() -> None:
    clock = TurnableClock()
    one, two = (connect(url, clock=clock.clock) for url in ("sync://name", "memory://name"))
    assert await there(one.stores.locks).acquire("key", "one", ttl=None)
    assert await there(two.stores.locks).acquire("key", "two", ttl=None)


async def test_the_locks_and_limits_of_null_let_everybody_through() -> None:
    stores = connect("null://").stores
    locks, limits = there(stores.locks), there(stores.limits)
    assert await locks.acquire("key", "one", ttl=None)
    assert await locks.acquire("key", "two", ttl=None)
    assert await locks.extend("key", "one", ttl=None)
    assert await locks.release("key", "one")
    assert await locks.owner("key") is None
    await locks.force("key")
    for _ in range(3):
        assert (await limits.hit("key", limit=1, per=60.0)).allowed
    assert (await limits.state("key", limit=1)).allowed
    await limits.clear("key")


async def test_the_stores_of_null_keep_nothing() -> None:
    stores = connect("null://").stores
    batches, failed, signals = there(stores.batches), there(stores.failed), there(stores.signals)
    assert await batches.create(BatchRecord("b"), ["m"])
    assert await batches.get("b") is None
    assert (await batches.grow("b", ["n"]), await batches.cancel("b"), await batches.remove("b")) == (False,) * 3
    assert (list(await batches.strike([BatchStrike("b", "m")])), await batches.prune()) == ([], 0)
    assert (await batches.page()).total == 0
    await failed.add([failed_job("a")])
    assert (list(await failed.get(["a"])), (await failed.page()).total) == ([], 0)
    assert (await failed.remove(["a"]), await failed.prune(older=0.0)) == (0, 0)
    await signals.put("flag", b"")
    assert (dict(await signals.get(["flag"])), list(await signals.page(""))) == ({}, [])
    assert await signals.forget(["flag"]) == 0


async def test_null_keeps_no_results_and_relays_no_rows() -> None:
    stores = connect("null://").stores
    results, outbox = there(stores.results), there(stores.outbox)
    await results.put(StoredResult("a", b"1", 60.0))
    assert await results.get("a") is None
    assert (await results.wait("a", timeout=0.0), await results.prune()) == (None, 0)
    await outbox.put([OutboxRow("row", "push", "", b"")])
    assert list(await outbox.take(limit=10, lease=1.0)) == []
    await outbox.done(["row"])
