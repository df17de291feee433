"""How the statements are run: by the intended index, and never more slowly because the backlog is larger.

Statistics that are too old must not matter, nor a plan that a connection made while the tables were empty.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import pytest

from asyncq.config import Connection
from asyncq.drivers import connect
from asyncq.drivers.postgres.driver import PostgresDriver
from asyncq.drivers.postgres.leasing import extend
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.options import options_of
from asyncq.drivers.postgres.schema import Sql
from asyncq.payload import Done, Released, Reservation, Settlement
from asyncq.testing.conformance.jobs import job, unique_job
from tests.support.postgres import PostgresServer
from tests.unit.postgres.explained import CONFIG, Plan, plans_of
from tests.unit.postgres.scenes import SCHEMA, empty, with_tables

LIMIT = 5
OFTEN = 7
"""So often a statement runs until its plan is the one that stays: the first five are made for their values."""
SMALL, LARGE = 1_000, 60_000
_number = count(1)

FILL = """
INSERT INTO t.jobs (due, lease_until, crashes, token, id, queue, name, unique_key, body)
SELECT CASE WHEN n % 2 = 0 THEN n ELSE t.now() + 3600000000 + n END, 0, 0, NULL, q || '-waits-' || n, q, 'app:Work',
    CASE WHEN n % 10 = 0 THEN q || n END, ''::bytea
FROM generate_series({first}, {last}) n, unnest('{{default,other}}'::text[]) q
UNION ALL
SELECT n, t.now() + 3600000000, 0, 'token' || n, q || '-held-' || n, q, 'app:Work', NULL, ''::bytea
FROM generate_series({first} / 10 + 1, {last} / 10) n, unnest('{{default,other}}'::text[]) q
UNION ALL
SELECT n, 0, 2, NULL, q || '-suspect-' || n, q, 'app:Work', NULL, ''::bytea
FROM generate_series({first} / 10 + 1, {last} / 10) n, unnest('{{default,other}}'::text[]) q
"""


@pytest.fixture(scope="module", params=["15", "18"])
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    with with_tables(flavour=request.param, config=CONFIG) as server:
        yield server


class Hot:
    """The calls that workers and clients make all the time, each with the indexes of `jobs` that it may read."""

    def __init__(self, driver: PostgresDriver, link: Link) -> None:
        self._driver = driver
        self._link = link
        self.held: list[Reservation] = []

    def calls(self) -> dict[str, tuple[Callable[[], Awaitable[Any]], set[str]]]:
        """Return the calls in an order in which each has something to do."""
        driver = self._driver
        looks = {"jobs_waiting", "jobs_suspect"}
        return {
            "reserve": (self.reserve, {*looks, "jobs_leased", "jobs_pkey"}),
            "extend": (lambda: driver.extend(self.held), {"jobs_pkey"}),
            "extend what is under way": (self.extend_under_way, {"jobs_pkey", "jobs_leased"}),
            "free": (lambda: driver.free(self.held[0]), {"jobs_pkey"}),
            "find": (lambda: driver.find(["default-waits-1", "default-held-1", "unknown"]), {"jobs_pkey"}),
            "hand back": (self.hand_back, {"jobs_pkey"}),
            "settle": (self.settle, {*looks, "jobs_leased", "jobs_pkey"}),
            "reserve alone": (self.reserve_alone, {*looks, "jobs_leased", "jobs_pkey"}),
            "wait": (lambda: driver.wait(["default", "other"], timeout=0.001), {*looks, "jobs_leased"}),
            "push": (self.push, {"jobs_pkey", "jobs_unique"}),
            "push one": (self.push_one, {"jobs_pkey", "jobs_unique"}),
            "cancel": (lambda: driver.cancel(["unknown", "default-held-1"]), {"jobs_pkey"}),
            "queues": (driver.queues, {*looks, "jobs_leased"}),
            "page of ready jobs": (lambda: driver.page("default", "ready"), {*looks, "jobs_leased"}),
            "page of delayed jobs": (lambda: driver.page("default", "delayed"), looks),
        }

    async def begin(self) -> None:
        """Let the connection make its plans, while there is next to nothing."""
        for _ in range(OFTEN):
            await self.push()
            await self._driver.reserve(["default"], limit=LIMIT)
            await self._driver.find(["unknown"])
            await self._driver.page("default", "ready")

    async def reserve(self) -> None:
        await self.settle()
        self.held = list((await self._driver.reserve(["default", "other"], limit=LIMIT)).items)
        assert len(self.held) == LIMIT

    async def reserve_alone(self) -> None:
        [suspect] = (await self._driver.reserve(["default", "other"], limit=LIMIT, alone=True)).items
        await self._driver.settle([Settlement(suspect, Released(None, "nothing"))])

    async def settle(self) -> None:
        await self._driver.turn([Settlement(held, Done()) for held in self.held], ["default"], limit=0)
        self.held = []

    async def hand_back(self) -> None:
        await self._driver.settle([Settlement(held, Released(None, "nothing")) for held in self.held])

    async def extend_under_way(self) -> None:
        under_way = {"token1": ["default"], "unknown": ["default"]}
        await extend(self._link, self.held, 3_600_000_000, under_way)

    async def push_one(self) -> None:
        name = f"new-{next(_number)}"
        await self._driver.push([unique_job(name, delay=9.0)])
        await self._driver.push([unique_job("default10")])

    async def push(self) -> None:
        name = f"new-{next(_number)}"
        await self._driver.push([job(name, delay=9.0), unique_job(name, delay=9.0), unique_job("default10")])


@pytest.fixture
async def drivers(server: PostgresServer) -> AsyncIterator[Callable[[], Awaitable[Hot]]]:
    """Opens one driver after another."""
    async with AsyncExitStack() as stack:

        async def opened() -> Hot:
            connection = Connection(f"{server.url}?prefix={SCHEMA}&listen=off")
            driver = await stack.enter_async_context(connect(connection))
            assert isinstance(driver, PostgresDriver)
            link = Link(options_of(connection.settings("main")), Sql(SCHEMA))
            link.open()
            stack.push_async_callback(link.close)
            return Hot(driver, link)

        yield opened


@pytest.mark.timeout(300)
async def test_each_call_reads_by_its_index_and_no_more_where_there_is_more(
    server: PostgresServer, drivers: Callable[[], Awaitable[Hot]]
) -> None:
    empty(server)
    early = await drivers()
    await early.begin()
    server.command("DELETE FROM t.jobs")
    small = await _filled(server, drivers, early, 1, SMALL)
    large = await _filled(server, drivers, early, SMALL + 1, LARGE)
    for when, blocks in large.items():
        for name, most in blocks.items():
            if name not in {"extend what is under way", "queues"}:  # these read all leases, or once for each queue
                assert most <= 2 * max(small[when][name], 20), f"{name}, {when}: {most} blocks"


async def _filled(
    server: PostgresServer, drivers: Callable[[], Awaitable[Hot]], early: Hot, first: int, last: int
) -> dict[str, dict[str, int]]:
    """Add jobs, and run the calls on an old connection, and on new ones before and after the table was looked at."""
    server.command(FILL.format(first=first, last=last))
    looked = {"planned when empty": await _looked(server, early), "stale": await _looked(server, await drivers())}
    server.command("ANALYZE t.jobs")
    return {**looked, "fresh": await _looked(server, await drivers())}


async def _looked(server: PostgresServer, hot: Hot) -> dict[str, int]:
    """Run each call until its plans stay; returns how many blocks the last one has looked at."""
    blocks: dict[str, int] = {}
    for name, (call, indexes) in hot.calls().items():
        plans: list[Plan] = []
        for _ in range(OFTEN):
            plans = await plans_of(server, call)
            for plan in plans:
                assert _of_jobs(plan) <= indexes, f"{name}: {plan.statement}"
                assert all(rows <= 3 * 50 for rows in plan.sorts), f"{name} sorts: {plan.statement}"
        blocks[name] = max((plan.blocks for plan in plans), default=0)
    return blocks


def _of_jobs(plan: Plan) -> set[str]:
    return {read for read in plan.reads if "jobs" in read}
