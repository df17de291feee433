"""Disks, locks and damage: each a typed error with the path, nothing changed, and work goes on when it is over."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from asyncq.drivers.sqlite import SqliteDriver, room
from asyncq.drivers.sqlite.faults import translate
from asyncq.errors import BrokerUnavailable, DriverError, PayloadTooLarge, QueueFull, SchemaError
from asyncq.payload import Done, Settlement
from tests.unit.sqlite.files import driver_at, files, job

BIG = b"x" * 3000


async def fill(driver: SqliteDriver) -> int:
    """Push until the queue is full; returns how many jobs are in."""
    for number in range(100_000):
        try:
            await driver.push([job(f"{number:06}", body=BIG)])
        except QueueFull:
            return number
    raise AssertionError("the queue never filled")


async def drain(driver: SqliteDriver) -> int:
    count = 0
    while items := (await driver.reserve(["default"], limit=10)).items:
        assert await driver.settle([Settlement(held, Done()) for held in items]) == []
        count += len(items)
    return count


def leave(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    """Let the disk have so many free bytes."""

    def free_bytes(_: Path) -> int:
        return free

    monkeypatch.setattr(room, "free_bytes", free_bytes)


async def test_a_lock_of_another_process_is_waited_for_and_then_told(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path, busy_timeout="0.05") as driver:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(BrokerUnavailable, match=r"queue\.db: another connection held the write lock"):
                await driver.push([job("a")])
            # What only reads goes on.
            assert await driver.find(["a"]) == {}
            other.execute("ROLLBACK")
        assert (await driver.push([job("a")]))[0].created


async def test_a_locked_file_fails_all_waiting_calls_after_one_wait(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path, busy_timeout="0.2") as driver:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            async with asyncio.timeout(5):
                answers = await asyncio.gather(
                    *(driver.push([job(f"{number}")]) for number in range(200)), return_exceptions=True
                )
        assert {type(answer) for answer in answers} == {BrokerUnavailable}


async def test_a_full_quota_refuses_pushes_and_lets_jobs_end(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path, max_page_count="120") as driver:
        count = await fill(driver)
        assert 20 < count < 120
        with pytest.raises(QueueFull, match=r"queue\.db: no room.*max_page_count"):
            await driver.push([job("more", body=BIG * 9)])
        assert (await driver.sizes(["default"]))["default"].total == count
        assert await drain(driver) == count
        assert (await driver.push([job("again", body=BIG)]))[0].created


async def test_the_last_of_the_disk_is_kept_for_jobs_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        await driver.push([job("a"), job("b")])
        leave(monkeypatch, room.MARGIN - 1)
        with pytest.raises(QueueFull, match=r"queue\.db: 8\.0 MiB are free"):
            await driver.push([job("c")])
        assert await drain(driver) == 2
        monkeypatch.undo()
        assert (await driver.push([job("c")]))[0].created


async def test_room_inside_the_file_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with driver_at(tmp_path / "queue.db", synchronous="NORMAL") as driver:
        await driver.push([job(f"{number}", body=b"x" * 100_000) for number in range(120)])
        await driver.clear("default")
        leave(monkeypatch, 0)
        assert (await driver.push([job("a")]))[0].created


async def test_damage_is_told_and_a_restored_file_works_without_opening_the_driver_anew(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver:
        await driver.push([job(f"{number}", body=BIG) for number in range(200)])
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2] + b"\xff" * (len(good) - len(good) // 2))
    async with driver_at(path) as driver:
        with pytest.raises(SchemaError, match=r"queue\.db is damaged.*recover"):
            await driver.reserve(["default"], limit=300)
        path.write_bytes(good)
        assert await drain(driver) == 200


async def test_a_file_whose_first_pages_are_damaged_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path):
        pass
    good = path.read_bytes()
    path.write_bytes(good[:200] + b"\xff" * (len(good) - 200))
    with pytest.raises(SchemaError, match=r"queue\.db is damaged"):
        await driver_at(path).__aenter__()


async def test_a_file_that_is_replaced_is_told_once_and_then_used(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver:
        await driver.push([job("a")])
        for file in files(tmp_path):
            file.unlink()
        with pytest.raises(BrokerUnavailable, match=r"queue\.db was removed or replaced"):
            await driver.push([job("b")])
        assert (await driver.push([job("c")]))[0].created
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT id FROM asyncq_jobs").fetchall() == [("c",)]


async def test_tables_that_vanish_are_told(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TABLE asyncq_jobs")
        with pytest.raises(SchemaError, match=r"queue\.db: a table of asyncq is missing"):
            await driver.push([job("a")])


async def test_an_envelope_that_cannot_be_stored_changes_nothing(tmp_path: Path) -> None:
    text: Any = "text is no body"
    async with driver_at(tmp_path / "queue.db") as driver:
        with pytest.raises(DriverError, match=r"queue\.db"):
            await driver.push([job("a"), job("b", body=text)])
        assert await driver.queues() == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path):
        pass
    path.chmod(0o444)
    with pytest.raises(BrokerUnavailable, match=r"queue\.db cannot be read and written"):
        await driver_at(path).__aenter__()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY, BrokerUnavailable),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, BrokerUnavailable),
        (sqlite3.SQLITE_READONLY, BrokerUnavailable),
        (sqlite3.SQLITE_CANTOPEN, BrokerUnavailable),
        (sqlite3.SQLITE_IOERR_FSYNC, BrokerUnavailable),
        (sqlite3.SQLITE_FULL, QueueFull),
        (sqlite3.SQLITE_CORRUPT_INDEX, SchemaError),
        (sqlite3.SQLITE_NOTADB, SchemaError),
        (sqlite3.SQLITE_TOOBIG, PayloadTooLarge),
        (sqlite3.SQLITE_CONSTRAINT_NOTNULL, DriverError),
    ],
)
def test_every_code_has_its_error(code: int, expected: type[Exception]) -> None:
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = code
    found = translate(error, Path("/q.db"))
    assert type(found) is expected
    assert "/q.db" in str(found)
