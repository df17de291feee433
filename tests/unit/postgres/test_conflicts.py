"""Transactions in each other's way: what the server refuses for that is tried again, and nobody hears of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.errors import BrokerUnavailable
from asyncq.payload import Pushed
from asyncq.testing.conformance.backend import eventually
from asyncq.testing.conformance.jobs import job, reserve, unique_job
from tests.support.postgres import PostgresServer
from tests.unit.postgres.crowd import Crowd
from tests.unit.postgres.scenes import SCHEMA, empty, with_tables


@pytest.mark.timeout(600)
@pytest.mark.parametrize("jobs", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_a_crowd_of_pushers_and_workers_hears_of_no_conflict(isolation: str, jobs: int) -> None:
    with with_tables(config={"default_transaction_isolation": isolation}) as server:
        crowd = Crowd(f"{server.url}?prefix={SCHEMA}&lease=60", jobs)
        asyncio.run(crowd.play())
        conflicts = server.log.count("could not serialize access")
        left = asyncio.run(crowd.look())
    assert (conflicts > 0) == (isolation != "read committed"), "else nothing was tried"
    assert set(crowd.ended.values()) == {1}
    assert len([id for id in crowd.ended if id.startswith("job-")]) + len(crowd.refused) == jobs
    assert left == {"jobs": 0, "pending": 0, "failed": crowd.failed}


# --- a transaction of somebody else -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with with_tables() as server:
        yield server


@pytest.fixture
async def driver(server: PostgresServer) -> AsyncIterator[Driver]:
    empty(server)
    async with connect(Connection(f"{server.url}?prefix={SCHEMA}")) as driver:
        yield driver


@pytest.fixture
async def other(server: PostgresServer) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection of a user, who has all the time in the world."""
    connection = await asyncpg.connect(server.url, server_settings={"deadlock_timeout": "1h", "search_path": SCHEMA})
    yield connection
    await connection.close()


HOLD = "INSERT INTO jobs (due, id, queue, name, unique_key, body) VALUES (0, $1, 'default', 'app:Work', $2, '')"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'asyncq'"


def waits(server: PostgresServer) -> bool:
    return server.command(WAITING) != [(0,)]


async def test_a_deadlock_is_tried_again(
    server: PostgresServer, driver: Driver, other: asyncpg.Connection[asyncpg.Record]
) -> None:
    deadlocks = server.log.count("deadlock detected")
    transaction = other.transaction()
    await transaction.start()
    await other.execute(HOLD, "theirs-b", "b")
    push = asyncio.create_task(driver.push([unique_job("a", "ours-a"), unique_job("b", "ours-b")]))
    await eventually(lambda: waits(server))
    # Now each waits for the other: the server ends the call that has waited for longer, which is ours.
    await other.execute(HOLD, "theirs-a", "a")
    await transaction.commit()
    async with asyncio.timeout(10):
        assert await push == [Pushed("theirs-a", False), Pushed("theirs-b", False)]
    assert server.log.count("deadlock detected") == deadlocks + 1


@pytest.mark.parametrize("commits", [True, False])
async def test_a_push_waits_for_whoever_holds_its_key(
    server: PostgresServer, driver: Driver, other: asyncpg.Connection[asyncpg.Record], commits: bool
) -> None:
    transaction = other.transaction()
    await transaction.start()
    await other.execute(HOLD, "theirs", "key")
    push = asyncio.create_task(driver.push([unique_job("key", "ours")]))
    await eventually(lambda: waits(server))
    await (transaction.commit() if commits else transaction.rollback())
    async with asyncio.timeout(10):
        assert await push == [Pushed("theirs", False) if commits else Pushed("ours", True)]


async def test_a_push_that_waited_too_long_names_the_key_and_nothing_breaks(
    server: PostgresServer, driver: Driver, other: asyncpg.Connection[asyncpg.Record]
) -> None:
    transaction = other.transaction()
    await transaction.start()
    await other.execute(HOLD, "theirs", "key")
    with pytest.raises(
        BrokerUnavailable, match=r"transaction that is still open holds the unique key 'other' or 'key'; it must"
    ):
        await driver.push([job("first"), unique_job("other", "second"), unique_job("key", "ours")])
    assert await reserve(driver) == [], "all or nothing"
    await driver.push([unique_job("another", "meanwhile")])
    assert [held.id for held in await reserve(driver)] == ["meanwhile"]
    await transaction.rollback()
    assert await driver.push([unique_job("key", "ours")]) == [Pushed("ours", True)]
