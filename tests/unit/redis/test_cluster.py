"""A cluster whose slots move and whose nodes die: nothing is lost, and calls go on within a few seconds."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import pytest
from redis.crc import key_slot

from asyncq import AsyncQ, Job
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.drivers.redis.keys import Keys
from asyncq.errors import BrokerUnavailable, DriverError
from asyncq.payload import Done, Settlement
from asyncq.testing.conformance.jobs import ids, job, push, reserve, reserve_one, settle
from asyncq.testing.conformance.relaying import relayed
from tests.behaviour.looking import empty, eventually
from tests.support.redis import RedisCluster, RedisServer
from tests.support.waiting import until

PREFIX = "t"
QUEUES = [f"queue{number}" for number in range(12)]
"""Enough to lie on all nodes."""


@pytest.fixture(scope="module")
def shared() -> Iterator[RedisCluster]:
    """For tests that leave the cluster as it was."""
    with RedisCluster() as cluster:
        yield cluster


@asynccontextmanager
async def opened(cluster: RedisCluster, prefix: str = PREFIX, **options: str) -> AsyncGenerator[Driver]:
    async with connect(f"{cluster.url}?{urlencode({'prefix': prefix, **options})}") as driver:
        yield driver


def slot_of(queue: str, prefix: str = PREFIX) -> int:
    return key_slot(Keys(prefix, clustered=True).base(queue).encode())


def owner_of(cluster: RedisCluster, slot: int, *, besides: RedisServer | None = None) -> RedisServer:
    """The node that has the slot, as another node sees it."""
    asked = next(server for server in cluster.servers if server.alive and server is not besides)
    for first, last, (_, port, *_), *_ in asked.command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return next(server for server in cluster.servers if server.port == port)
    raise LookupError(f"no node has slot {slot}")


class Move:
    """One slot on its way from its node to another one, step by step as redis-cli does it."""

    def __init__(self, cluster: RedisCluster, slot: int, target: RedisServer | None = None) -> None:
        self.slot, self.source, self.masters = slot, owner_of(cluster, slot), cluster.masters
        self.target = target or next(server for server in cluster.masters if server is not self.source)

    def begin(self) -> None:
        self.target.command("CLUSTER", "SETSLOT", self.slot, "IMPORTING", self.source.command("CLUSTER", "MYID"))
        self.source.command("CLUSTER", "SETSLOT", self.slot, "MIGRATING", self.target.command("CLUSTER", "MYID"))

    def carry(self, count: int = 1_000) -> None:
        """Carry so many keys."""
        if count and (keys := self.source.command("CLUSTER", "GETKEYSINSLOT", self.slot, count)):
            self.source.command("MIGRATE", "127.0.0.1", self.target.port, "", 0, 5_000, "KEYS", *keys)

    def end(self) -> None:
        """Tell all masters, the new one first, until they agree: what they tell each other may be older."""
        until(self._told, 20.0, "masters that agree whose slot it is")

    def _told(self) -> bool:
        name = self.target.command("CLUSTER", "MYID")
        others = [server for server in self.masters if server is not self.target]
        for server in (self.target, *others):
            server.command("CLUSTER", "SETSLOT", self.slot, "NODE", name)
        return all(self._owner(server) == self.target.port for server in (self.target, *others))

    def _owner(self, server: RedisServer) -> int:
        ranges = server.command("CLUSTER", "SLOTS")
        return int(next(node[1] for first, last, node, *_ in ranges if first <= self.slot <= last))

    def all(self) -> None:
        self.begin()
        self.carry()
        self.end()


async def patiently(driver: Driver, *names: str, queue: str, within: float = 30.0) -> None:
    """Push again until it is stored, as a caller does who hears that the broker cannot be reached."""
    with anyio.fail_after(within):
        while True:
            try:
                return await push(driver, *names, queue=queue)
            except DriverError:
                await anyio.sleep(0.05)


# --- queues in many slots ---------------------------------------------------------------------------------------------


async def test_queues_lie_on_all_nodes_and_one_call_reaches_them(shared: RedisCluster) -> None:
    assert len({owner_of(shared, slot_of(queue, "many")) for queue in QUEUES}) == 3
    async with opened(shared, "many") as driver:
        await driver.push([job(f"job-{queue}", queue=queue) for queue in QUEUES])
        assert sum(size.ready for size in (await driver.sizes(QUEUES)).values()) == len(QUEUES)
        held = await reserve(driver, *QUEUES)
        assert ids(held) == [f"job-{queue}" for queue in QUEUES]
        assert list(await driver.extend(held)) == []
        assert list(await driver.settle([Settlement(one, Done()) for one in held])) == []


async def test_a_worker_waits_for_queues_in_all_slots_at_once(shared: RedisCluster) -> None:
    async with opened(shared, "wait") as driver:
        for queue in QUEUES:
            with anyio.fail_after(10):
                async with anyio.create_task_group() as group:
                    group.start_soon(lambda: driver.wait(QUEUES, timeout=1_000.0))
                    await anyio.lowlevel.checkpoint()
                    await push(driver, queue, queue=queue)
            assert ids(await reserve(driver, *QUEUES)) == [queue]


async def test_waits_that_end_leave_the_connections_of_the_others(shared: RedisCluster) -> None:
    async with opened(shared, "cheap") as driver:
        await driver.wait(QUEUES, timeout=0.05)
        before = sum(map(_received, shared.masters))
        for _ in range(20):
            await driver.wait(QUEUES, timeout=0.01)
        assert sum(map(_received, shared.masters)) - before < 20  # the looks at the counters are some of them


def _received(server: RedisServer) -> int:
    lines = server.command("INFO", "stats").splitlines()
    return int(next(line for line in lines if line.startswith("total_connections_received:")).partition(":")[2])


async def test_a_token_that_comes_while_nobody_waits_here_wakes_another_client(shared: RedisCluster) -> None:
    async with opened(shared, "given-back") as idle, opened(shared, "given-back") as other:
        await idle.wait(["a", "b"], timeout=0.05)  # its calls go on, and are first in line
        with anyio.fail_after(3):  # a token that were lost would cost 5 s
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: other.wait(["a"], timeout=1_000.0))
                await anyio.sleep(0.1)
                await push(idle, "job", queue="a")
        assert ids(await reserve(other, "a")) == ["job"]


async def test_effects_for_other_slots_come_by_the_outbox_of_the_queue(shared: RedisCluster) -> None:
    async with opened(shared, "effects") as driver:
        await push(driver, "a", queue="one")
        held = await reserve_one(driver, "one")
        await settle(driver, held, Done(), push=(job("near", queue="one"), job("far", queue="two")))
        assert ids(await reserve(driver, "one", "two")) == ["near"]
        await relayed(driver)
        assert ids(await reserve(driver, "one", "two")) == ["far"]


class Chained(Job):
    left: int

    async def handle(self) -> None:
        if self.left:
            await Chained(left=self.left - 1).dispatch(queue=f"chain{self.left % 3}")
        else:
            done.append("done")


done: list[str] = []


async def test_a_worker_serves_queues_in_many_slots(shared: RedisCluster) -> None:
    done.clear()
    app = AsyncQ(Connection(shared.url, prefix="worker"))
    async with app, app.worker("chain0", "chain1", "chain2"):
        for number in range(5):
            await Chained(left=9).dispatch(queue=f"chain{number % 3}")
        await eventually(lambda: len(done) == 5, within=20.0)
        await empty(app, "chain0", "chain1", "chain2", within=10.0)


class Fails(Job):
    async def handle(self) -> None:
        raise ValueError("no")


async def test_a_worker_relays_at_once_and_before_it_ends(shared: RedisCluster) -> None:
    """The sweep for rows of dead workers comes each half minute; nothing of a living one waits for it."""
    app = AsyncQ(Connection(shared.url, prefix="relay"))
    async with app:
        store = (await app.engine()).failed_store(app.default)
        assert store is not None
        async with app.worker():
            for number in range(3):
                await Fails().dispatch()
                with anyio.fail_after(10):
                    while (await store.page()).total <= number:  # noqa: ASYNC110 - no event
                        await anyio.sleep(0.01)
        async with app.worker(max_jobs=1):
            await Fails().dispatch()
            await empty(app)
        assert (await store.page()).total == 4


# --- slots that move --------------------------------------------------------------------------------------------------


async def test_calls_follow_a_slot_that_moved(shared: RedisCluster) -> None:
    async with opened(shared, "moved") as driver, opened(shared, "moved") as other:
        await push(driver, "a", "b", queue="moved")
        held = await reserve_one(driver, "moved")
        with other.keeper() as keeper:
            assert list(keeper.extend([held])) == []  # it knows where the slot was
            Move(shared, slot_of("moved")).all()
            assert list(keeper.extend([held])) == []
        assert await settle(driver, held, Done()) == []
        await push(driver, "c", queue="moved")
        assert ids(await reserve(other, "moved")) == ["b", "c"]


async def test_a_slot_on_its_way_refuses_scripts_until_all_of_it_is_there(shared: RedisCluster) -> None:
    """Half of a queue's keys at either node: a script that ran then would see half a queue."""
    async with opened(shared, "half", retry_for="0.3") as driver:
        await push(driver, *map(str, range(5)), queue="halved")
        held = await reserve_one(driver, "halved")
        move = Move(shared, slot_of("halved", "half"))
        move.begin()
        for count in (0, 1, 1_000):
            move.carry(count)
            with pytest.raises(BrokerUnavailable):
                await push(driver, "during", queue="halved")
            with pytest.raises(BrokerUnavailable):
                await reserve(driver, "halved")
            with driver.keeper() as keeper, pytest.raises(BrokerUnavailable):
                keeper.settle([Settlement(held, Done())])
        move.end()
        await patiently(driver, "after", queue="halved")
        assert await settle(driver, held, Done()) == []
        assert ids(await reserve(driver, "halved")) == ["1", "2", "3", "4", "after"]


async def test_calls_wait_while_a_slot_moves(shared: RedisCluster) -> None:
    async with opened(shared, "short") as driver:
        await push(driver, "a", queue="soon-moved")
        move = Move(shared, slot_of("soon-moved", "short"))
        move.begin()
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: push(driver, "b", queue="soon-moved"))
            await anyio.sleep(0.2)
            move.carry()
            move.end()
        assert ids(await reserve(driver, "soon-moved")) == ["a", "b"]


async def test_a_store_follows_its_slot_too(shared: RedisCluster) -> None:
    async with opened(shared, "store") as driver:
        locks = driver.stores.locks
        assert locks is not None
        assert await locks.acquire("key", "me", ttl=None)
        move = Move(shared, key_slot(Keys("store", clustered=True).root.encode()))
        move.begin()
        assert await locks.owner("key") == "me"  # one key: the old node sends who asks for it to the new one, by ASK
        move.carry()
        assert await locks.owner("key") == "me"
        move.end()
        assert await locks.release("key", "me")


# --- nodes that come and go -------------------------------------------------------------------------------------------


async def test_a_cluster_that_is_not_there_is_said_to_be_so() -> None:
    url = "redis+cluster://127.0.0.1:1,127.0.0.1:2/?retry_for=0.2"
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1,127\.0\.0\.1:2"):
        async with connect(url):
            pass


async def test_a_single_server_is_refused_as_a_cluster() -> None:
    with RedisServer() as server, pytest.raises(DriverError, match="cluster support disabled"):
        async with connect(f"redis+cluster://127.0.0.1:{server.port}"):
            pass


async def test_one_living_node_of_those_in_the_url_is_enough(shared: RedisCluster) -> None:
    url = f"redis+cluster://127.0.0.1:1,127.0.0.1:{shared.masters[1].port}/?prefix=seed"
    async with connect(url) as driver:
        await driver.push([job(queue, queue=queue) for queue in QUEUES])
        assert len(await reserve(driver, *QUEUES)) == len(QUEUES)


@pytest.mark.slow
async def test_a_replica_takes_over_and_calls_go_on() -> None:
    """A push that was answered and copied is there after the failover, and the same client goes on."""
    with RedisCluster(replicas=1) as cluster:
        async with opened(cluster) as driver:
            await driver.push([job(f"before-{queue}", queue=queue) for queue in QUEUES])
            held = await reserve_one(driver, QUEUES[0])
            victim = owner_of(cluster, slot_of(QUEUES[0]))
            _await_copies(victim)
            victim.kill()
            await patiently(driver, "after", queue=QUEUES[0])
            assert await settle(driver, held, Done()) == []
            with driver.keeper() as keeper, anyio.fail_after(30):
                assert list(keeper.extend(await reserve(driver, QUEUES[0]))) == []
            found = await driver.sizes(QUEUES)
            assert sum(size.total for size in found.values()) == len(QUEUES)  # one ended, one came


@pytest.mark.slow
async def test_a_worker_goes_on_after_a_failover() -> None:
    done.clear()
    with RedisCluster(replicas=1) as cluster:
        app = AsyncQ(Connection(cluster.url, prefix=PREFIX))
        async with app, app.worker("chain0", "chain1", "chain2"):
            for number in range(20):
                await Chained(left=20).dispatch(queue=f"chain{number % 3}")
            victim = owner_of(cluster, slot_of("chain0"))
            _await_copies(victim)
            victim.kill()
            # A reservation or a push that the replica had not copied may come late or twice, but no chain ends.
            await eventually(lambda: len(done) >= 20, within=90.0)


@pytest.mark.slow
async def test_a_frozen_master_is_given_up_for_its_replica() -> None:
    with RedisCluster(replicas=1) as cluster:
        async with opened(cluster, timeout="1") as driver:
            await push(driver, "before", queue="q")
            victim = owner_of(cluster, slot_of("q"))
            _await_copies(victim)
            victim.freeze()
            try:
                await patiently(driver, "after", queue="q")
            finally:
                victim.thaw()
            assert ids(await reserve(driver, "q")) == ["before", "after"]


@pytest.mark.slow
async def test_without_a_replica_other_slots_go_on_and_the_lost_ones_come_back_with_their_node() -> None:
    config = {"cluster-require-full-coverage": "no"}
    with RedisCluster(persistent=True) as cluster:
        for server in cluster.servers:
            for key, value in config.items():
                server.command("CONFIG", "SET", key, value)
        async with opened(cluster, retry_for="0.5") as driver:
            await driver.push([job(f"before-{queue}", queue=queue) for queue in QUEUES])
            victim = owner_of(cluster, slot_of(QUEUES[0]))
            lost = {queue for queue in QUEUES if owner_of(cluster, slot_of(queue)) is victim}
            victim.kill()
            with pytest.raises(BrokerUnavailable):
                await push(driver, "during", queue=QUEUES[0])
            held = await reserve(driver, *QUEUES)
            assert {one.queue for one in held} == set(QUEUES) - lost
            assert list(await driver.settle([Settlement(one, Done()) for one in held])) == []
            victim.restart()
            await patiently(driver, "after", queue=QUEUES[0])
            assert len(await reserve(driver, *QUEUES)) == len(lost) + 1


@pytest.mark.slow
async def test_a_node_that_joins_gets_slots_and_is_found() -> None:
    with RedisCluster() as cluster, RedisServer(config={"cluster-enabled": "yes"}) as joins:
        async with opened(cluster) as driver:
            await push(driver, "a", queue="q")
            cluster.servers.append(joins)
            cluster.masters[0].command("CLUSTER", "MEET", "127.0.0.1", joins.port)
            with anyio.fail_after(30):
                while "cluster_state:ok" not in joins.command("CLUSTER", "INFO"):  # noqa: ASYNC110 - no event
                    await anyio.sleep(0.05)
            await anyio.to_thread.run_sync(Move(cluster, slot_of("q"), joins).all)
            await patiently(driver, "b", queue="q")
            assert ids(await reserve(driver, "q")) == ["a", "b"]


def _await_copies(master: RedisServer) -> None:
    """Wait until the replicas of a master have all that it has."""
    until(lambda: "offset=" in master.command("INFO", "replication"), 20.0, "a replica")

    def copied() -> bool:
        facts = master.command("INFO", "replication")
        told = next(line for line in facts.splitlines() if line.startswith("slave0:"))
        mine = next(line for line in facts.splitlines() if line.startswith("master_repl_offset:")).partition(":")[2]
        return f"offset={mine}," in told

    until(copied, 20.0, "a replica with all data")
