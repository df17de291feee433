"""Leases of live workers outlast a time in which nobody could write; those of dead ones are not spared."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest

from asyncq.clock import SYSTEM_CLOCK
from asyncq.config import Connection
from asyncq.drivers.sqlite import SqliteDriver
from asyncq.payload import Reservation
from tests.unit.sqlite.files import job

LEASE = 1.0
BUSY = "60"
"""Seconds that connections wait for the lock, longer than any outage here."""


def at(path: Path, lease: float = LEASE) -> SqliteDriver:
    settings = Connection(f"sqlite:///{path}?busy_timeout={BUSY}", lease=lease).settings("main")
    return SqliteDriver(settings, SYSTEM_CLOCK)


@asynccontextmanager
async def held_job(path: Path, lease: float = LEASE) -> AsyncGenerator[tuple[SqliteDriver, SqliteDriver, Reservation]]:
    """Open two drivers, of which the first holds a job."""
    async with at(path, lease) as holder, at(path, lease) as other:
        await holder.push([job("a")])
        yield holder, other, (await holder.reserve(["default"], limit=1)).items[0]


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - what is waited for is an instant, or in the file
            await anyio.sleep(0.02)


def run_out(held: Reservation) -> Callable[[], bool]:
    return lambda: time.time() > held.reserved_at + LEASE


@pytest.mark.parametrize("first", ["one that waited", "one that did not"])
async def test_who_writes_first_after_an_outage_takes_no_job_of_a_live_worker(tmp_path: Path, first: str) -> None:
    taken: list[Reservation] = []
    async with held_job(tmp_path / "queue.db") as (holder, other, held), anyio.create_task_group() as group:

        async def take() -> None:
            taken.extend((await other.reserve(["default"], limit=1)).items)

        with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as stopped:
            stopped.execute("BEGIN IMMEDIATE")
            if first == "one that waited":
                group.start_soon(take)
            await until(run_out(held))
            stopped.execute("COMMIT")
        await take()
        with holder.keeper() as keeper:
            assert keeper.extend([held]) == []
    assert taken == []


async def test_a_worker_that_wrote_nothing_before_an_outage_spares_too(tmp_path: Path) -> None:
    async with held_job(tmp_path / "queue.db") as (holder, _, held):
        with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as stopped:
            stopped.execute("BEGIN IMMEDIATE")
            await until(run_out(held))
            stopped.execute("COMMIT")
        async with at(tmp_path / "queue.db") as late:
            assert (await late.reserve(["default"], limit=1)).items == ()
        assert await holder.extend([held]) == []


async def test_a_spared_lease_still_ends_where_nobody_renews_it(tmp_path: Path) -> None:
    async with held_job(tmp_path / "queue.db") as (_, other, held):
        await until(run_out(held))
        assert (await other.reserve(["default"], limit=1)).items == ()
        again: list[Reservation] = []
        with anyio.fail_after(30):
            while not again:
                await anyio.sleep(0.02)
                again.extend((await other.reserve(["default"], limit=1)).items)
        assert (again[0].id, again[0].crashes) == ("a", 1)


async def test_a_dead_worker_is_not_spared_while_others_write(tmp_path: Path) -> None:
    lease = 3.0  # long enough that a busy machine causes no silence of half of it
    async with held_job(tmp_path / "queue.db", lease) as (holder, other, held):
        ends: set[int] = set()
        with closing(sqlite3.connect(tmp_path / "queue.db")) as connection, anyio.fail_after(30):
            while not (await other.reserve(["default"], limit=1)).items:
                ends.update(*connection.execute("SELECT lease_until FROM asyncq_jobs WHERE id = 'a'"))
                await anyio.sleep(0.05)
        assert ends == {round((held.reserved_at + lease) * 1e6)}
        assert await holder.extend([held]) == [held]
