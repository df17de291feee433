"""A master that Sentinel replaces: calls go on at the new one within a few seconds."""

from __future__ import annotations

from collections.abc import Iterator

import anyio
import pytest

from asyncq import AsyncQ, Job
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.errors import BrokerUnavailable, DriverError
from asyncq.payload import Done
from asyncq.testing.conformance.jobs import ids, push, reserve, reserve_one, settle
from tests.behaviour.looking import eventually
from tests.support.redis import RedisSentinel, RedisServer
from tests.support.waiting import until


@pytest.fixture
def sentinel() -> Iterator[RedisSentinel]:
    with RedisSentinel() as sentinel:
        yield sentinel


async def patiently(driver: Driver, *names: str, within: float = 30.0) -> None:
    """Push again until it is stored, as a caller does who hears that the broker cannot be reached."""
    with anyio.fail_after(within):
        while True:
            try:
                return await push(driver, *names)
            except DriverError:
                await anyio.sleep(0.05)


def await_copies(master: RedisServer) -> None:
    """Wait until the replica has all that the master has."""

    def copied() -> bool:
        facts = dict(line.split(":", 1) for line in master.command("INFO", "replication").splitlines() if ":" in line)
        return f"offset={facts['master_repl_offset']}," in facts.get("slave0", "")

    until(copied, 20.0, "a replica with all data")


async def test_sentinels_that_are_not_there_are_said_to_be_so() -> None:
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1 does not answer"):
        async with connect("redis+sentinel://127.0.0.1:1/mymaster?retry_for=0.2"):
            pass


@pytest.mark.slow
async def test_a_service_that_nobody_watches_is_said_to_be_so(sentinel: RedisSentinel) -> None:
    with pytest.raises(BrokerUnavailable, match="no sentinel knows a master called 'unknown'"):
        async with connect(f"{sentinel.url.rpartition('/')[0]}/unknown?retry_for=0.2"):
            pass


@pytest.mark.slow
async def test_one_living_sentinel_is_enough(sentinel: RedisSentinel) -> None:
    sentinel.sentinels[0].freeze()
    sentinel.sentinels[1].kill()
    try:
        async with connect(sentinel.url) as driver:
            await push(driver, "a")
    finally:
        sentinel.sentinels[0].thaw()


@pytest.mark.slow
@pytest.mark.parametrize("manner", ["killed", "frozen"])
async def test_calls_go_on_at_the_new_master(sentinel: RedisSentinel, manner: str) -> None:
    async with connect(Connection(sentinel.url, timeout="1")) as driver:
        await push(driver, "a", "b")
        held = await reserve_one(driver)
        old = sentinel.master
        await anyio.to_thread.run_sync(await_copies, old)
        with driver.keeper() as keeper:
            assert list(keeper.extend([held])) == []
            old.kill() if manner == "killed" else old.freeze()
            try:
                await patiently(driver, "c")
            finally:
                if manner == "frozen":
                    old.thaw()
            assert list(keeper.extend([held])) == []
        assert await settle(driver, held, Done()) == []
        assert ids(await reserve(driver)) == ["b", "c"]


@pytest.mark.slow
async def test_a_master_that_became_a_replica_is_left(sentinel: RedisSentinel) -> None:
    """It answers READONLY to those who are still connected."""
    async with connect(sentinel.url) as driver:
        await push(driver, "a")
        old = sentinel.master
        sentinel.sentinels[0].command("SENTINEL", "FAILOVER", "mymaster")
        new = await anyio.to_thread.run_sync(lambda: sentinel.await_master(other_than=old))
        await patiently(driver, "b")
        assert ids(await reserve(driver)) == ["a", "b"]
        assert new.command("ROLE")[0] == "master"


class Step(Job):
    number: int

    async def handle(self) -> None:
        seen.add(self.number)


seen: set[int] = set()


@pytest.mark.slow
async def test_a_worker_goes_on_at_the_new_master(sentinel: RedisSentinel) -> None:
    seen.clear()
    app = AsyncQ(sentinel.url)
    async with app, app.worker():
        for number in range(50):
            await Step(number=number).dispatch()
        await eventually(lambda: len(seen) == 50, within=20.0)
        old = sentinel.kill_master()
        await anyio.to_thread.run_sync(lambda: sentinel.await_master(other_than=old))
        for number in range(50, 100):
            await Step(number=number).dispatch()
        await eventually(lambda: len(seen) == 100, within=60.0)
