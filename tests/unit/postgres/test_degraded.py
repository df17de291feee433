"""A server that refuses, stalls or dies: what callers hear of it, and what workers do."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager

import anyio
import pytest

from asyncq import AsyncQ, Job, JobContext
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.errors import BrokerUnavailable, ConfigError, QueueFull, SchemaError
from asyncq.payload import Done, Reservation
from asyncq.testing.conformance.jobs import job, push, reserve, settle
from asyncq.worker import control
from tests.behaviour.looking import beat_of, empty, eventually, failed_jobs
from tests.support.postgres import PostgresProxy, PostgresServer
from tests.support.postgres.proxy import running
from tests.unit.postgres.scenes import SCHEMA, with_tables
from tests.unit.postgres.scenes import empty as emptied

QUICK = f"prefix={SCHEMA}&timeout=0.5&retry_for=0.3"
PATIENT = f"prefix={SCHEMA}&timeout=5&retry_for=20"
SLACK = 5.0
"""For pauses of the machine."""


@pytest.fixture(scope="module")
def shared() -> Iterator[PostgresServer]:
    with with_tables() as server:
        yield server


@pytest.fixture
def server(shared: PostgresServer) -> PostgresServer:
    emptied(shared)
    return shared


@asynccontextmanager
async def driver_on(server: PostgresServer, options: str = QUICK) -> AsyncGenerator[Driver]:
    async with connect(Connection(f"{server.url}?{options}")) as driver:
        yield driver


class Work(Job, queue="work"):
    number: int

    async def handle(self) -> None:
        ENDED.append(self.number)


class Slow(Job, queue="work"):
    number: int

    async def handle(self, ctx: JobContext) -> None:
        await anyio.sleep(0.02)
        assert (ctx.attempt, ctx.crashes) == (1, 0)
        ENDED.append(self.number)


ENDED: list[int] = []


@pytest.fixture(autouse=True)
def nothing_ended() -> None:
    ENDED.clear()


# --- refusals that pass -----------------------------------------------------------------------------------------------


@contextmanager
def read_only(server: PostgresServer) -> Generator[None]:
    """Let no transaction write, as after a failover or while a disk is looked after."""
    server.command("ALTER SYSTEM SET default_transaction_read_only = on")
    server.command("SELECT pg_reload_conf()")
    _until(server, "SHOW default_transaction_read_only", "on")
    try:
        yield
    finally:
        server.command("ALTER SYSTEM RESET default_transaction_read_only")
        server.command("SELECT pg_reload_conf()")
        _until(server, "SHOW default_transaction_read_only", "off")


def _until(server: PostgresServer, statement: str, answer: str) -> None:
    while server.command(statement) != [(answer,)]:
        time.sleep(0.01)


async def test_a_server_that_takes_no_writes_is_named_as_such_and_a_call_goes_on_when_it_does(
    server: PostgresServer,
) -> None:
    async with driver_on(server) as driver, driver_on(server, PATIENT) as patient:
        with read_only(server):
            with pytest.raises(BrokerUnavailable, match=r"takes no writes \(cannot execute .+; connect to the primary"):
                await push(driver, "refused")
            pushed = asyncio.create_task(push(patient, "accepted"))
            await anyio.sleep(0.2)
            assert not pushed.done()
        await pushed
        assert [held.id for held in await reserve(driver)] == ["accepted"]


async def test_a_replica_is_refused_until_it_is_promoted() -> None:
    with with_tables() as server:
        server.stop()
        server.stand_by()
        server.restart()
        with pytest.raises(BrokerUnavailable, match="is a replica that takes no writes; connect to the primary"):
            async with driver_on(server):
                pytest.fail("it was opened")
        server.command("SELECT pg_promote()")
        async with driver_on(server, PATIENT) as driver:
            await push(driver, "a")


async def test_a_role_without_free_connections_waits_for_one(server: PostgresServer) -> None:
    server.command("DROP ROLE IF EXISTS narrow; CREATE ROLE narrow SUPERUSER LOGIN")
    server.command("ALTER ROLE narrow NOSUPERUSER CONNECTION LIMIT 1")
    server.command(f"GRANT USAGE ON SCHEMA {SCHEMA} TO narrow; GRANT ALL ON ALL TABLES IN SCHEMA {SCHEMA} TO narrow")
    url = server.url.replace("postgres@", "narrow@")
    async with connect(Connection(f"{url}?{QUICK}")) as first:
        with pytest.raises(BrokerUnavailable, match="too many connections for role"):
            async with connect(Connection(f"{url}?{QUICK}")):
                pytest.fail("it was opened")
        patient = asyncio.create_task(_push_on(f"{url}?{PATIENT}"))
        await anyio.sleep(0.2)
        assert not patient.done()
        await first.sizes(["default"])
    async with asyncio.timeout(10):
        await patient


async def _push_on(url: str) -> None:
    async with connect(Connection(url)) as driver:
        await push(driver, "a")


async def test_a_full_disk_refuses_what_stores_jobs_and_what_is_there_is_worked_off(server: PostgresServer) -> None:
    async with driver_on(server) as driver:
        await push(driver, "a", "b")
        server.command(
            f"CREATE FUNCTION {SCHEMA}.no_room() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE 'could not extend file' USING ERRCODE = '53100', HINT = 'Check free disk space.'; END $$;"
            f"CREATE TRIGGER no_room BEFORE INSERT ON {SCHEMA}.jobs EXECUTE FUNCTION {SCHEMA}.no_room()"
        )
        try:
            with pytest.raises(QueueFull, match=r"has no room left \(could not extend file; HINT: .+\); free space on"):
                await push(driver, "c")
            held = await reserve(driver)
            assert [item.id for item in held] == ["a", "b"]
            assert [await settle(driver, item, Done()) for item in held] == [[], []]
        finally:
            server.command(f"DROP FUNCTION {SCHEMA}.no_room CASCADE")
        await push(driver, "c")


# --- refusals that do not ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded() -> Iterator[PostgresServer]:
    """A server that lets nobody in without a password."""
    with PostgresServer(password="secret") as server:  # noqa: S106 - of this test
        yield server


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("postgres:wrong@127.0.0.1:{port}/postgres", "password authentication failed for user"),
        ("nobody:secret@127.0.0.1:{port}/postgres", "password authentication failed for user"),
        ("postgres:secret@127.0.0.1:{port}/nowhere", 'database "nowhere" does not exist'),
    ],
)
async def test_who_may_not_enter_hears_so_at_the_opening(guarded: PostgresServer, place: str, text: str) -> None:
    url = f"postgresql://{place.format(port=guarded.port)}?{PATIENT}"
    began = time.monotonic()
    with pytest.raises(ConfigError, match=rf"refuses this user \({text}.*check user, password and database") as caught:
        async with connect(Connection(url)):
            pytest.fail("it was opened")
    assert time.monotonic() - began < SLACK, "nothing is gained by trying again"
    assert "secret" not in str(caught.value)
    assert "wrong" not in str(caught.value)


async def test_a_server_that_is_too_old_is_refused_with_what_to_do(server: PostgresServer) -> None:
    """It is made to say so: what a role finds in a schema of its own comes before the server's own functions."""
    server.command(
        "DROP SCHEMA IF EXISTS old CASCADE; CREATE SCHEMA old; CREATE FUNCTION old.current_setting(text) RETURNS text "
        "LANGUAGE sql AS $$ SELECT '110022' $$; DROP ROLE IF EXISTS past; CREATE ROLE past LOGIN;"
        f"GRANT USAGE ON SCHEMA old, {SCHEMA} TO past; ALTER ROLE past SET search_path = old, pg_catalog"
    )
    with pytest.raises(ConfigError, match="is older than PostgreSQL 12; upgrade the server"):
        async with connect(Connection(f"{server.url.replace('postgres@', 'past@')}?{QUICK}")):
            pytest.fail("it was opened")


async def test_tables_of_a_newer_asyncq_are_refused_and_left_alone(server: PostgresServer) -> None:
    versions = "SELECT value FROM t.meta WHERE key = 'schema'"
    [(known,)] = server.command(versions)
    server.command("UPDATE t.meta SET value = '999' WHERE key = 'schema'")
    try:
        with pytest.raises(SchemaError, match=r"tables of version 999 in the schema t, .+; upgrade asyncq here"):
            async with driver_on(server):
                pytest.fail("it was opened")
        assert server.command(versions) == [("999",)]
    finally:
        server.command(f"UPDATE t.meta SET value = '{known}' WHERE key = 'schema'")  # noqa: S608


async def test_missing_tables_are_named_by_a_dispatch_and_by_a_worker(server: PostgresServer) -> None:
    async with AsyncQ(f"{server.url}?schema=none") as app:
        with pytest.raises(
            SchemaError, match=r"no tables of this asyncq in the schema none .*; run: asyncq migrate up"
        ):
            await Work(number=1).dispatch()
        with pytest.raises(SchemaError, match="run: asyncq migrate up"):
            async with app.worker("work"):
                await anyio.sleep(0.1)


async def test_tables_that_are_dropped_under_a_driver_are_named(server: PostgresServer) -> None:
    with with_tables() as own:
        async with driver_on(own) as driver:
            await push(driver, "a")
            own.command(f"DROP SCHEMA {SCHEMA} CASCADE")
            with pytest.raises(SchemaError, match="run: asyncq migrate up"):
                await push(driver, "b")


async def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    with PostgresServer() as server:
        url = server.url
    began = time.monotonic()
    with pytest.raises(BrokerUnavailable, match=r"does not answer \(.+\); start it, or correct the URL"):
        async with connect(Connection(f"{url}?{QUICK}")):
            pytest.fail("it was opened")
    assert time.monotonic() - began < 1.3 + SLACK


# --- stalls and deaths ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["frozen", "black hole"])
async def test_calls_to_a_silent_server_end_by_their_deadline(how: str) -> None:
    with with_tables() as server:
        async with (
            PostgresProxy("127.0.0.1", server.port) as proxy,
            connect(Connection(f"{proxy.url}?{QUICK}")) as driver,
        ):
            await push(driver, "a")
            [held] = await reserve(driver)
            with _silent(server, proxy, how):
                for attempt in (
                    lambda: driver.push([job("b")]),
                    lambda: driver.reserve(["default"], limit=1),
                    lambda: driver.wait(["default"], timeout=0.2),
                    lambda: driver.extend([held]),
                    lambda: asyncio.to_thread(_keep, driver, held),
                ):
                    began = time.monotonic()
                    with pytest.raises(BrokerUnavailable, match="did not answer in time"):
                        await attempt()
                    assert time.monotonic() - began < 0.5 + 0.3 + 0.5 + SLACK
            assert await settle(driver, held, Done()) == []


def _keep(driver: Driver, held: Reservation) -> None:
    with driver.keeper() as keeper:
        keeper.extend([held])


@contextmanager
def _silent(server: PostgresServer, proxy: PostgresProxy, how: str) -> Generator[None]:
    if how == "frozen":
        server.freeze()
        yield
        server.thaw()
    else:
        proxy.mode = "blackhole"
        yield
        proxy.mode = "pass"


ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = 'asyncq'"


async def test_jobs_that_a_silent_server_leased_to_nobody_come_back_uncounted() -> None:
    """It reads the call after its caller gave it up; a lease that nobody knows of must not become a crash."""
    with with_tables() as server:
        async with driver_on(server, f"{QUICK}&lease=3") as driver:
            assert await reserve(driver) == []
            await push(driver, "a")
            for _ in range(2):
                server.freeze()
                with pytest.raises(BrokerUnavailable):
                    await driver.reserve(["default"], limit=1)
                server.thaw()
                await eventually(lambda: server.command(ACTIVE) == [(0,)])
            [held] = (await driver.reserve(["default"], limit=1)).items
            assert (held.id, held.attempt, held.crashes) == ("a", 1, 0)
            assert await settle(driver, held, Done()) == []


async def test_a_worker_goes_on_when_a_frozen_server_does(caplog: pytest.LogCaptureFixture) -> None:
    with with_tables() as server:
        async with AsyncQ(f"{server.url}?{QUICK}") as app, app.worker("work", concurrency=4):
            await app.dispatch_many([Work(number=number) for number in range(20)])
            await empty(app, "work")
            server.freeze()
            with anyio.fail_after(30):
                while caplog.text.count("the broker failed") < 2:  # noqa: ASYNC110 - a log has no event
                    await anyio.sleep(0.05)
            server.thaw()
            await app.dispatch_many([Work(number=number) for number in range(20, 40)])
            await empty(app, "work", within=20)
    assert sorted(ENDED) == list(range(40))


async def test_a_worker_outlives_its_server_and_each_job_ends_once() -> None:
    with with_tables(persistent=True) as server:
        async with AsyncQ(f"{server.url}?{QUICK}") as app:
            await app.dispatch_many([Slow(number=number) for number in range(300)])
            async with app.worker("work", concurrency=10):
                for number, end in ((30, server.kill), (150, server.stop)):
                    await _ended(number)
                    await asyncio.to_thread(end)
                    await anyio.sleep(random.uniform(0.1, 0.6))
                    await asyncio.to_thread(server.restart)
                await empty(app, "work", within=30)
            assert not await failed_jobs(app)
    assert sorted(ENDED) == list(range(300))


async def test_a_worker_outlives_the_death_of_one_process_of_its_server() -> None:
    """The server then ends all sessions, and reads its journal."""
    with with_tables(persistent=True) as server:
        async with AsyncQ(f"{server.url}?{PATIENT}") as app:
            await app.dispatch_many([Slow(number=number) for number in range(200)])
            async with app.worker("work", concurrency=10):
                await _ended(30)
                [(pid,), *_] = server.command("SELECT pid FROM pg_stat_activity WHERE application_name = 'asyncq'")
                os.kill(pid, signal.SIGKILL)
                await empty(app, "work", within=30)
            assert not await failed_jobs(app)
    assert sorted(ENDED) == list(range(200))


async def _ended(number: int) -> None:
    with anyio.fail_after(20):
        while len(ENDED) < number:  # noqa: ASYNC110 - a list has no event
            await anyio.sleep(0.001)


async def test_a_worker_does_not_mind_that_all_its_sessions_are_ended_again_and_again(server: PostgresServer) -> None:
    dice, ended = random.Random(8), 0
    kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'asyncq'"
    async with AsyncQ(f"{server.url}?prefix={SCHEMA}") as app:
        await app.dispatch_many([Slow(number=number) for number in range(400)])
        async with app.worker("work", concurrency=10):
            with anyio.fail_after(60):
                while len(ENDED) < 400:
                    ended += server.command(kill)[0][0]
                    await anyio.sleep(dice.uniform(0.0, 0.1))
            await empty(app, "work", within=30)
        assert not await failed_jobs(app)
    assert sorted(ENDED) == list(range(400))
    assert ended > 10


async def test_the_heartbeat_says_whether_the_broker_answers_the_worker(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "QUIET", 0.1)
    async with (
        PostgresProxy("127.0.0.1", server.port) as proxy,
        connect(Connection(f"{server.url}?prefix={SCHEMA}")) as driver,
        AsyncQ(f"{server.url}?prefix={SCHEMA}") as sender,
        AsyncQ(f"{proxy.url}?prefix={SCHEMA}&timeout=1&retry_for=0.000001") as app,
        app.worker("work", name="w"),
    ):
        assert await beat_of(driver, ready=True) is None
        for number in range(1, 300):
            proxy.cut_before(number, running(".turn("))
        await sender.dispatch_many([Work(number=1)])
        illness = await beat_of(driver, ready=False)
        assert illness == "worker w takes no jobs: it drains, or its broker does not answer"
        proxy.disarm()
        assert await beat_of(driver, ready=True) is None
        await empty(app, "work", within=10)


async def test_a_worker_ends_in_order_while_its_server_is_dead(caplog: pytest.LogCaptureFixture) -> None:
    with with_tables() as server:
        async with AsyncQ(f"{server.url}?{QUICK}") as app:
            async with app.worker("work", name="w"):
                async with driver_on(server) as driver:
                    await beat_of(driver, ready=True)
                server.kill()
                ends = time.monotonic()
            assert time.monotonic() - ends < 5 + SLACK
    assert "the heartbeat stays until its life is over" in caplog.text
