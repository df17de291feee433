"""How a file is opened, made, migrated, or refused."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from asyncq.drivers import sql
from asyncq.drivers.sqlite.schema import VERSION
from asyncq.errors import ConfigError, NotOpen, SchemaError
from tests.unit.sqlite.files import driver_at, files, job


async def test_missing_directories_are_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "queue.db"
    async with driver_at(path) as driver:
        assert await driver.schema() == (VERSION, VERSION)
        assert await driver.install() == VERSION
    assert path.exists()


async def test_a_closed_file_leaves_nothing_but_itself_and_its_lock(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        await driver.push([job("a")])
    assert [file.name for file in files(tmp_path)] == ["queue.db", "queue.db-lock"]


async def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a directory; name a file in it"):
        await driver_at(tmp_path).__aenter__()


async def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    path.write_bytes(b"a letter to a friend\n" * 500)
    before = path.read_bytes()
    with pytest.raises(SchemaError, match=r"queue\.db is damaged or no SQLite database"):
        await driver_at(path).__aenter__()
    assert path.read_bytes() == before


async def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE asyncq_meta SET value = ? WHERE key = 'schema'", (VERSION + 1,))
    connection.close()
    before, written_at = path.read_bytes(), path.stat().st_mtime_ns
    driver = driver_at(path)
    with pytest.raises(SchemaError, match=f"version {VERSION + 1}.*upgrade asyncq"):
        await driver.__aenter__()
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, written_at)
    with pytest.raises(NotOpen):
        await driver.push([job("a")])


async def test_tables_of_an_application_stay_beside_the_queue(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE jobs (title TEXT)")
        connection.execute("INSERT INTO jobs VALUES ('cook')")
        connection.execute("PRAGMA user_version = 77")
    connection.close()
    async with driver_at(path) as driver:
        await driver.push([job("a")])
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT title FROM jobs").fetchall() == [("cook",)]
        assert connection.execute("PRAGMA user_version").fetchone() == (77,)
    connection.close()


async def test_drivers_that_open_a_fresh_file_at_once_all_succeed(tmp_path: Path) -> None:
    drivers = [driver_at(tmp_path / "queue.db") for _ in range(8)]
    await asyncio.gather(*(driver.__aenter__() for driver in drivers))
    for number, driver in enumerate(drivers):
        await driver.push([job(f"{number}")])
    assert (await drivers[0].sizes(["default"]))["default"].ready == 8
    await asyncio.gather(*(driver.__aexit__(None, None, None) for driver in drivers))


async def test_an_open_driver_cannot_be_opened_again(tmp_path: Path) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        with pytest.raises(NotOpen, match="open already"):
            await driver.__aenter__()
        await driver.push([job("a")])


async def test_a_file_with_the_tables_of_before_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    with sqlite3.connect(path) as connection:
        connection.execute(sql.load("asyncq.drivers.sqlite", "meta.sql")["create"])
        for statement in sql.versions(sql.load("asyncq.drivers.sqlite", "schema.sql"))[1]:
            connection.execute(statement)
        connection.execute("INSERT INTO asyncq_meta (key, value) VALUES ('schema', 1)")
        connection.execute("INSERT INTO asyncq_locks (key, owner) VALUES ('old', 'one')")
    connection.close()
    async with driver_at(path) as driver:
        assert await driver.schema() == (VERSION, VERSION)
        assert driver.stores.locks is not None
        assert driver.stores.funnels is not None
        assert await driver.stores.locks.owner("old") == "one"
        assert (await driver.stores.funnels.acquire("key", "one", limit=1, ttl=1.0)).allowed


def test_the_steps_of_the_schema_are_numbered_without_a_gap() -> None:
    steps = sql.versions(sql.load("asyncq.drivers.sqlite", "schema.sql"))
    assert list(steps) == list(range(1, VERSION + 1))
    assert all(not statement.endswith(";") for step in steps.values() for statement in step)


def test_statements_are_named_once() -> None:
    assert sql.parse("-- head\n-- name: one\n-- why\nSELECT 1;\n-- name: two\nSELECT\n    2\n") == {
        "one": "SELECT 1",
        "two": "SELECT\n    2",
    }
    with pytest.raises(ValueError, match="name of another"):
        sql.parse("-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n")


def tables(path: Path) -> list[tuple[str, str]]:
    """Return the tables and indexes of a file, with the statements that made them."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(name, statement.replace("IF NOT EXISTS ", "")) for name, statement in rows]


def run_by_hand(path: Path, statements: Sequence[str]) -> None:
    """Do what a person does with the script."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("".join(f"{statement};\n" for statement in statements))


@pytest.mark.parametrize("prefix", ["asyncq", "shop"])
async def test_the_script_makes_the_tables_that_the_driver_would_make(tmp_path: Path, prefix: str) -> None:
    async with driver_at(tmp_path / "ours.db", prefix=prefix):
        pass
    driver = driver_at(tmp_path / "theirs.db", prefix=prefix)
    version, statements = driver.script()
    assert not (tmp_path / "theirs.db").exists(), "nobody has opened it"
    run_by_hand(tmp_path / "theirs.db", statements)
    assert tables(tmp_path / "theirs.db") == tables(tmp_path / "ours.db") != []
    async with driver:
        assert await driver.schema() == (version, VERSION)
        await driver.push([job("a")])


async def test_a_script_leads_on_from_an_older_version(tmp_path: Path) -> None:
    driver = driver_at(tmp_path / "queue.db")
    first = sql.versions(sql.load("asyncq.drivers.sqlite", "schema.sql"))[1]
    meta = "CREATE TABLE asyncq_meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    run_by_hand(tmp_path / "queue.db", [meta, *first, "INSERT INTO asyncq_meta VALUES ('schema', 1)"])
    run_by_hand(tmp_path / "queue.db", driver.script(1)[1])
    async with driver_at(tmp_path / "ours.db"):
        pass
    assert tables(tmp_path / "queue.db") == tables(tmp_path / "ours.db")


@pytest.mark.parametrize("since", [-1, VERSION + 1])
def test_a_script_from_a_version_that_never_was_is_refused(tmp_path: Path, since: int) -> None:
    with pytest.raises(ConfigError, match=f"there are no tables of version {since}; this asyncq knows 1 to {VERSION}"):
        driver_at(tmp_path / "queue.db").script(since)
