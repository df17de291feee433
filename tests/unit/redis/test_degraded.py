"""A server that refuses, stalls or dies: what callers hear of it, and what workers do."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
import anyio.lowlevel
import hiredis
import pytest

from asyncq import AsyncQ, Job, JobContext
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.drivers.redis.scripts import script
from asyncq.errors import BrokerUnavailable, ConfigError, QueueFull
from asyncq.payload import Done, Settlement
from asyncq.testing.conformance.jobs import job, push, reserve, settle
from asyncq.worker import control
from tests.behaviour.looking import beat_of, empty, eventually, failed_jobs
from tests.support.changes import PLANS, create, grow, push_many, push_three
from tests.support.redis import RedisServer
from tests.support.redis.binaries import Flavour
from tests.support.redis.proxy import RedisProxy
from tests.support.redis.wire import call
from tests.unit.redis.scenes import dump, outcome_of, scene_of

FLAVOURS: list[Flavour] = ["valkey", "redis", "redis6"]
QUICK = "timeout=0.5&retry_for=0.3"
SLACK = 5.0
"""For pauses of the machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@asynccontextmanager
async def driver_on(server: RedisServer, options: str = QUICK) -> AsyncGenerator[Driver]:
    async with connect(Connection(f"{server.url}?{options}")) as driver:
        yield driver


# --- no memory left ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FLAVOURS)
def full(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server that a test fills."""
    with RedisServer(request.param) as server:
        yield server


async def test_a_full_server_refuses_what_stores_jobs_and_nothing_else(full: RedisServer) -> None:
    for plan in PLANS:
        full.command("CONFIG", "SET", "maxmemory", 0)
        async with scene_of(plan, full.url, full) as scene:
            expected = await outcome_of(plan, scene, full)
        async with scene_of(plan, full.url, full) as scene:
            before = dump(full)
            full.command("CONFIG", "SET", "maxmemory", 1)
            if plan.call in {push_three, push_many, create, grow}:
                with pytest.raises(QueueFull):
                    await plan.call(scene)
                assert dump(full) == before, plan.name
            else:
                assert await outcome_of(plan, scene, full) == expected, plan.name


async def test_the_ends_of_jobs_that_are_no_longer_ours_are_answered_by_a_full_server(full: RedisServer) -> None:
    full.command("CONFIG", "SET", "maxmemory", 0)
    async with driver_on(full) as driver:
        await push(driver, "a")
        [held] = await reserve(driver)
        await driver.settle([Settlement(held, Done())])
        full.command("CONFIG", "SET", "maxmemory", 1)
        assert await settle(driver, held, Done()) == ["a"]


class Work(Job, queue="work"):
    number: int

    async def handle(self) -> None:
        await anyio.lowlevel.checkpoint()
        ENDED.append(self.number)


class Stumbles(Job, queue="work", tries=2, unique=True):
    number: int

    async def handle(self, ctx: JobContext) -> None:
        if self.number % 2 or ctx.attempt == 1:
            raise ValueError("no")
        ENDED.append(self.number)


ENDED: list[int] = []


@pytest.fixture(autouse=True)
def nothing_ended() -> None:
    ENDED.clear()


async def test_a_full_server_says_so_and_its_backlog_is_worked_off_without_help(full: RedisServer) -> None:
    full.command("CONFIG", "SET", "maxmemory", 0)
    full.command("FLUSHALL")
    async with AsyncQ(full.url) as app:
        await app.dispatch_many(
            [*(Work(number=number) for number in range(200)), *(Stumbles(number=one) for one in range(1000, 1020))]
        )
        full.command("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(QueueFull) as caught:
            await Work(number=-1).dispatch()
        async with app.worker("work"):
            await empty(app, "work", within=30)
        assert sorted(ENDED) == [*range(200), *range(1000, 1020, 2)]
        assert len(await failed_jobs(app)) == 10
    text = str(caught.value)
    assert f"127.0.0.1:{full.port} has no memory left" in text
    assert "maxmemory" in text
    assert "raise maxmemory" in text


# --- refusals that pass -----------------------------------------------------------------------------------------------


async def test_a_replica_is_named_as_such_and_a_call_goes_on_when_it_is_a_master(server: RedisServer) -> None:
    async with driver_on(server) as driver, driver_on(server, "retry_for=20") as patient:
        server.command("REPLICAOF", "127.0.0.1", 1)
        try:
            with pytest.raises(BrokerUnavailable, match=r"is a replica that takes no writes .* connect to the master"):
                await push(driver, "refused")
            pushed = asyncio.create_task(push(patient, "accepted", queue="replica"))
            await anyio.sleep(0.2)
            assert not pushed.done()
        finally:
            server.command("REPLICAOF", "NO", "ONE")
        await pushed
        assert [held.id for held in await reserve(driver, "replica")] == ["accepted"]


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_replica_without_its_master_is_unavailable(flavour: Flavour) -> None:
    with RedisServer(flavour, config={"replica-serve-stale-data": "no"}) as server:
        async with driver_on(server) as driver:
            server.command("REPLICAOF", "127.0.0.1", 1)
            with pytest.raises(BrokerUnavailable):
                await push(driver, "a")
            server.command("REPLICAOF", "NO", "ONE")
            await push(driver, "a")


@pytest.mark.parametrize("flavour", FLAVOURS)
async def test_a_busy_server_is_waited_for(flavour: Flavour) -> None:
    with RedisServer(flavour, config={"lua-time-limit": "50"}) as server:
        async with driver_on(server) as driver, driver_on(server, "retry_for=25") as patient:
            with _busy(server):
                with pytest.raises(BrokerUnavailable, match="BUSY"):
                    await push(driver, "a")
                pushed = asyncio.create_task(push(patient, "b"))
                await anyio.sleep(0.1)
                assert not pushed.done()
            await pushed
            assert [held.id for held in await reserve(driver)] == ["b"]


class _busy:  # noqa: N801  # reads as a word in `with`
    """Keeps a server busy with a script until the block ends."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with pytest.raises(hiredis.ReplyError, match="killed"):
            call(self._server.socket, "EVAL", "while true do end", 0, timeout=60)

    def __enter__(self) -> None:
        self._thread.start()
        while True:
            try:
                self._server.command("PING")
            except hiredis.ReplyError:
                return
            time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self._server.command("SCRIPT", "KILL")
        self._thread.join()


async def test_a_server_that_forgot_the_scripts_gets_them_again(server: RedisServer) -> None:
    async with driver_on(server) as driver:
        await push(driver, "a", queue="scripts")
        server.command("SCRIPT", "FLUSH")
        held = await reserve(driver, "scripts")
        server.command("SCRIPT", "FLUSH")
        with driver.keeper() as keeper:
            assert await asyncio.to_thread(keeper.extend, held) == []
            server.command("SCRIPT", "FLUSH")
            assert await asyncio.to_thread(keeper.settle, [Settlement(one, Done()) for one in held]) == []


async def test_a_server_that_loads_its_data_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer(persistent=True, config={"key-load-delay": "200"}) as server:  # µs; it answers each 1024 commands
        server.command("EVAL", "for i = 1, 6000 do redis.call('SET', 'key' .. i, 'x') end", 0)
        async with driver_on(server, "retry_for=25") as driver:
            await push(driver, "a")
            with caplog.at_level(logging.DEBUG, "asyncq.redis"):
                server.kill()
                restarted = asyncio.create_task(asyncio.to_thread(server.restart))
                await push(driver, "b")
                await restarted
            assert "loading" in caplog.text.lower()
            assert [held.id for held in await reserve(driver)] == ["a", "b"]


# --- refusals that do not ---------------------------------------------------------------------------------------------

USERS = {
    "all": "on >secret ~asyncq:* &asyncq:* -@all +@read +@write +@connection +@scripting +@pubsub -@dangerous +time",
    "keys": "on >secret ~other:* &asyncq:* +@all",
    "channels": "on >secret ~asyncq:* &other:* +@all",
    "commands": "on >secret ~asyncq:* &asyncq:* +@all -@scripting",
    "inside": "on >secret ~asyncq:* &asyncq:* +@all -del",
}


@pytest.fixture(scope="module", params=FLAVOURS)
def guarded(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """A server with users that may do some of what a queue needs."""
    # Redis 6.2 counts all of CLIENT as dangerous, and connections give themselves a name.
    more = " +client" if request.param == "redis6" else ""
    users = {name: rules.replace("on ", "on resetchannels ", 1) + more for name, rules in USERS.items()}
    with RedisServer(request.param, password="secret", users=users) as server:  # noqa: S106 - of this test
        yield server


@pytest.mark.parametrize(
    ("login", "text"),
    [
        ("", "check user and password in the URL"),
        (":wrong@", "check user and password in the URL"),
        ("nobody:wrong@", "check user and password in the URL"),
        ("keys:secret@", "rights that the page about Redis lists"),
        ("channels:secret@", "rights that the page about Redis lists"),
        ("commands:secret@", "rights that the page about Redis lists"),
        ("inside:secret@", "rights that the page about Redis lists"),
    ],
)
async def test_who_may_not_enter_or_not_all_hears_so_at_the_opening(
    guarded: RedisServer, login: str, text: str
) -> None:
    with pytest.raises(ConfigError, match=f"127.0.0.1:{guarded.port} refuses this user .*{text}") as caught:
        async with connect(Connection(f"redis://{login}127.0.0.1:{guarded.port}/0")):
            pytest.fail("it was opened")
    assert "secret" not in str(caught.value)


async def test_the_user_of_the_guide_may_do_all(guarded: RedisServer) -> None:
    async with connect(Connection(f"redis://all:secret@127.0.0.1:{guarded.port}/0")) as driver:
        await push(driver, "a")
        assert await settle(driver, (await reserve(driver))[0], Done()) == []


@pytest.mark.parametrize(
    ("policy", "options", "outcome"),
    [
        ("noeviction", "", "accepted"),
        ("allkeys-lru", "", "refused"),
        ("allkeys-lfu", "", "refused"),
        ("allkeys-random", "", "refused"),
        ("volatile-lru", "", "warned"),
        ("volatile-ttl", "", "warned"),
        ("allkeys-lru", "allow_eviction=true", "warned"),
    ],
)
async def test_a_server_that_throws_jobs_away_is_refused(
    server: RedisServer, policy: str, options: str, outcome: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.command("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", policy)
    try:
        if outcome == "refused":
            with pytest.raises(ConfigError, match=f"{policy}.*set noeviction, or .* allow_eviction=true"):
                async with driver_on(server, options):
                    pytest.fail("it was opened")
        else:
            async with driver_on(server, options):
                assert (policy in caplog.text) == (outcome == "warned")
    finally:
        server.command("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")


# --- stalls and deaths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["frozen", "black hole"])
async def test_calls_to_a_silent_server_end_by_their_deadline(how: str) -> None:
    with RedisServer() as server:
        async with RedisProxy("127.0.0.1", server.port) as proxy, connect(Connection(f"{proxy.url}?{QUICK}")) as driver:
            await push(driver, "a")
            [held] = await reserve(driver)
            with _silent(server, proxy, how), driver.keeper() as keeper:
                began = time.monotonic()
                for attempt in (
                    driver.push([job("b")]),
                    driver.reserve(["default"], limit=1),
                    driver.wait(["default"], timeout=0.2),
                    driver.extend([held]),
                    asyncio.to_thread(keeper.extend, [held]),
                ):
                    with pytest.raises(BrokerUnavailable, match=r"does not answer \(TimeoutError"):
                        await attempt
                assert time.monotonic() - began < 5 * (0.5 + 0.3 + 0.5) + SLACK
            assert await settle(driver, held, Done()) == []


@contextmanager
def _silent(server: RedisServer, proxy: RedisProxy, how: str) -> Generator[None]:
    if how == "frozen":
        server.freeze()
        yield
        server.thaw()
    else:
        proxy.mode = "blackhole"
        yield
        proxy.mode = "pass"


async def test_jobs_that_a_silent_server_leased_to_nobody_come_back_uncounted() -> None:
    """It reads the call after its caller gave it up; a lease that nobody knows of must not become a crash."""
    with RedisServer() as server:
        async with driver_on(server, f"{QUICK}&lease=2") as driver:
            assert await reserve(driver) == []
            await push(driver, "a")
            for _ in range(3):
                server.freeze()
                with pytest.raises(BrokerUnavailable):
                    await driver.reserve(["default"], limit=1)
                server.thaw()
                await eventually(lambda: "cmd=evalsha" not in server.command("CLIENT", "LIST"))
            [held] = (await driver.reserve(["default"], limit=1)).items
            assert (held.id, held.attempt, held.crashes) == ("a", 1, 0)
            assert await settle(driver, held, Done()) == []


async def test_a_worker_goes_on_when_a_frozen_server_does(caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer() as server:
        async with AsyncQ(f"{server.url}?{QUICK}") as app, app.worker("work", concurrency=4):
            await app.dispatch_many([Work(number=number) for number in range(20)])
            await empty(app, "work")
            before = _connections(server)
            server.freeze()
            began = time.monotonic()
            with anyio.fail_after(20):
                while caplog.text.count("the broker failed") < 3:  # noqa: ASYNC110 - a log has no event
                    await anyio.sleep(0.05)
                # Its tries become rarer.
                await anyio.sleep(max(0.0, 2.0 - (time.monotonic() - began)))
            server.thaw()
            stalled = time.monotonic() - began
            await app.dispatch_many([Work(number=number) for number in range(20, 40)])
            await empty(app, "work", within=15)
            assert _connections(server) - before < 20 + 8 * stalled
    assert sorted(ENDED) == list(range(40))


def _connections(server: RedisServer) -> int:
    lines = server.command("INFO", "stats").splitlines()
    return next(int(line.partition(":")[2]) for line in lines if line.startswith("total_connections_received:"))


async def test_a_worker_outlives_its_server_and_each_job_ends_once() -> None:
    with RedisServer(persistent=True) as server:
        async with AsyncQ(f"{server.url}?{QUICK}") as app:
            await app.dispatch_many([Slow(number=number) for number in range(300)])
            async with app.worker("work", concurrency=10):
                for number in (30, 150):
                    await _ended(number)
                    await asyncio.to_thread(server.kill)
                    await anyio.sleep(random.uniform(0.1, 0.6))
                    await asyncio.to_thread(server.restart)
                await empty(app, "work", within=30)
            assert not await failed_jobs(app)
    assert sorted(ENDED) == list(range(300))


async def _ended(number: int) -> None:
    with anyio.fail_after(20):
        while len(ENDED) < number:  # noqa: ASYNC110 - a list has no event
            await anyio.sleep(0.001)


class Slow(Job, queue="work"):
    number: int

    async def handle(self, ctx: JobContext) -> None:
        await anyio.sleep(0.02)
        assert (ctx.attempt, ctx.crashes) == (1, 0)
        ENDED.append(self.number)


async def test_a_worker_does_not_mind_that_all_its_connections_are_killed_again_and_again(server: RedisServer) -> None:
    dice, killed = random.Random(8), 0
    async with AsyncQ(f"{server.url}?prefix=kills") as app:
        await app.dispatch_many([Slow(number=number) for number in range(400)])
        async with app.worker("work", concurrency=10):
            with anyio.fail_after(60):
                while len(ENDED) < 400:
                    for kind in ("normal", "pubsub"):
                        killed += server.command("CLIENT", "KILL", "TYPE", kind)
                    await anyio.sleep(dice.uniform(0.0, 0.06))
            await empty(app, "work", within=30)
        assert not await failed_jobs(app)
    assert sorted(ENDED) == list(range(400))
    assert killed > 10


async def test_the_heartbeat_says_whether_the_broker_answers_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "QUIET", 0.1)
    with RedisServer() as server:
        async with (
            RedisProxy("127.0.0.1", server.port) as proxy,
            connect(Connection(server.url)) as driver,
            AsyncQ(server.url) as sender,
            AsyncQ(f"{proxy.url}?timeout=1&retry_for=0.000001") as app,
            app.worker("work", name="w"),
        ):
            assert await beat_of(driver, ready=True) is None
            reserves = script("reserve").sha.encode()
            for number in range(1, 1000):
                proxy.cut_before(number, lambda command: reserves in command)
            await sender.dispatch_many([Work(number=1)])
            illness = await beat_of(driver, ready=False)
            assert illness == "worker w takes no jobs: it drains, or its broker does not answer"
            proxy.disarm()
            assert await beat_of(driver, ready=True) is None
            await empty(app, "work")


async def test_a_server_that_was_away_and_forgot_all_hears_of_its_workers_again_soon(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with RedisServer() as server:
        async with AsyncQ(f"{server.url}?{QUICK}") as app, app.worker("work", name="w"):
            async with driver_on(server) as driver:
                await beat_of(driver, ready=True)
            server.kill()
            await eventually(lambda: "the signals cannot be read" in caplog.text)
            await asyncio.to_thread(server.restart)
            async with driver_on(server) as driver:
                with anyio.fail_after(8):  # the next one in the row would come after 10
                    assert await beat_of(driver, ready=True) is None


async def test_a_worker_ends_in_order_while_its_server_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer() as server:
        async with AsyncQ(f"{server.url}?{QUICK}") as app:
            async with app.worker("work", name="w"):
                async with driver_on(server) as driver:
                    await beat_of(driver, ready=True)
                server.kill()
                ends = time.monotonic()
            assert time.monotonic() - ends < 5 + SLACK
    assert "the heartbeat stays until its life is over" in caplog.text
