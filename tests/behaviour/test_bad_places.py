"""A queue's place that cannot be used: refused in full words; what it held is there when it can be used again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from shutil import copyfile, rmtree

import pytest

from asyncq import AsyncQ, Job
from asyncq.current import current_app
from asyncq.errors import (
    AsyncqError,
    BrokerUnavailable,
    ConfigError,
    MissingDependency,
    QueueFull,
    SchemaError,
)
from tests.behaviour.looking import empty
from tests.support.ports import free_port
from tests.support.redis import RedisServer
from tests.support.root import ROOT

NOBODY = 65534
ran: list[int] = []


class Fine(Job, name="bad-places:fine"):
    number: int
    text: str = ""

    async def handle(self) -> None:
        ran.append(self.number)


@pytest.fixture(autouse=True)
def nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran.clear()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.chdir(tmp_path)


async def told(app: AsyncQ, number: int = 2) -> tuple[type[AsyncqError], str]:
    """Return what a dispatch is refused with."""
    with pytest.raises(AsyncqError) as caught:
        async with app:
            await Fine(number=number).dispatch()
    assert current_app.get() is None
    return caught.type, str(caught.value)


async def accept(url: str) -> None:
    """Put one job there."""
    async with AsyncQ(url):
        await Fine(number=1).dispatch()


async def works_on(url: str, *expected: int) -> None:
    """See that what was accepted before runs, and new jobs too."""
    async with AsyncQ(url) as app, app.worker():
        await Fine(number=9).dispatch()
        await empty(app)
    assert sorted(ran) == sorted([*expected, 9])


# --- SQLite ---


async def test_a_directory(tmp_path: Path) -> None:
    assert await told(AsyncQ(f"sqlite:///{tmp_path}")) == (
        ConfigError,
        f"{tmp_path} is a directory; name a file in it, for example sqlite:///{tmp_path}/queue.db",
    )
    await works_on(f"sqlite:///{tmp_path}/queue.db")


async def test_a_place_where_no_directory_can_be_made() -> None:
    path = Path("/proc/nowhere/queue.db")
    kind, text = await told(AsyncQ(f"sqlite:///{path}"))
    assert kind is BrokerUnavailable
    assert text == (
        f"{path}: cannot make its directory ([Errno 2] No such file or directory: '/proc/nowhere'); "
        "make it, or choose another"
    )


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    path.write_text("Dear queue, this is a letter and no database.\n" * 40)
    before = path.read_bytes()
    assert await told(AsyncQ(f"sqlite:///{path}")) == (
        SchemaError,
        f"{path} is damaged or no SQLite database (file is not a database); stop all processes, then restore a backup "
        "or save what is left with: sqlite3 FILE .recover",
    )
    assert path.read_bytes() == before


async def test_a_damaged_file_and_its_backup(tmp_path: Path) -> None:
    path, url = tmp_path / "queue.db", f"sqlite:///{tmp_path}/queue.db"
    await accept(url)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copyfile(path, tmp_path / "backup.db")
    path.write_bytes(b"\0" * 100 + path.read_bytes()[100:])
    kind, text = await told(AsyncQ(url))
    assert kind is SchemaError
    assert text == (
        f"{path} is damaged or no SQLite database (file is not a database); stop all processes, then restore a backup "
        "or save what is left with: sqlite3 FILE .recover"
    )
    copyfile(tmp_path / "backup.db", path)
    await works_on(url, 1)


async def test_tables_of_a_newer_version(tmp_path: Path) -> None:
    path, url = tmp_path / "queue.db", f"sqlite:///{tmp_path}/queue.db"
    await accept(url)
    with closing(sqlite3.connect(path)) as connection, connection:
        (ours,) = connection.execute("select value from asyncq_meta where key = 'schema'").fetchone()
        connection.execute("update asyncq_meta set value = 99 where key = 'schema'")
    assert await told(AsyncQ(url)) == (
        SchemaError,
        f"{path} has tables of version 99, and this asyncq knows them up to {ours}; upgrade asyncq here",
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("update asyncq_meta set value = ? where key = 'schema'", (ours,))
    await works_on(url, 1)


async def test_a_table_that_is_gone(tmp_path: Path) -> None:
    path, url = tmp_path / "queue.db", f"sqlite:///{tmp_path}/queue.db"
    await accept(url)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("alter table asyncq_jobs rename to hidden")
    assert await told(AsyncQ(url)) == (
        SchemaError,
        f"{path}: a table of asyncq is missing (no such table: asyncq_jobs); restore a backup, or use a new file",
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("alter table hidden rename to asyncq_jobs")
    await works_on(url, 1)


async def test_a_lock_that_another_process_holds_for_too_long(tmp_path: Path) -> None:
    path, url = tmp_path / "queue.db", f"sqlite:///{tmp_path}/queue.db"
    await accept(url)
    async with AsyncQ(f"{url}?busy_timeout=0.1"):
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(BrokerUnavailable) as caught:
                await Fine(number=2).dispatch()
            other.execute("ROLLBACK")
        assert str(caught.value) == (
            f"{path}: another connection held the write lock longer than busy_timeout (database is locked); "
            "end its transaction, or raise busy_timeout; a dispatch inside a transaction of yours joins it with tx=…"
        )
        await Fine(number=3).dispatch()
    await works_on(url, 1, 3)


async def test_a_full_queue(tmp_path: Path) -> None:
    path, url = tmp_path / "queue.db", f"sqlite:///{tmp_path}/queue.db"
    accepted: list[int] = []
    async with AsyncQ(f"{url}?max_page_count=150"):
        with pytest.raises(QueueFull) as caught:
            for number in range(100_000):
                await Fine(number=number, text="x" * 2000).dispatch()
                accepted.append(number)
    assert str(caught.value) == (
        f"{path}: no room for more (database or disk is full); free space on the disk, or raise max_page_count or the "
        "file size limit (ulimit -f); jobs that are done can still be settled as far as SQLite finds room"
    )
    assert accepted
    async with AsyncQ(f"{url}?max_page_count=150") as app, app.worker():
        await empty(app, within=30)
    assert sorted(ran) == accepted


LIMITED = """
import asyncio, resource, signal, sys
from asyncq import AsyncQ, Job

class Fine(Job, name="bad-places:fine"):
    number: int
    text: str = ""
    async def handle(self) -> None: ...

async def main(url):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with AsyncQ(url):
        await Fine(number=0).dispatch()
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        for number in range(1, 100_000):
            try:
                await Fine(number=number, text="x" * 2000).dispatch()
            except Exception as error:
                print(number)
                print(f"{type(error).__name__}: {error}")
                break
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

asyncio.run(main(sys.argv[1]))
"""


async def test_a_limit_of_the_size_of_files(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/queue.db"
    count, told = run(LIMITED, url).splitlines()
    assert told.startswith(f"QueueFull: {tmp_path}/queue.db: no room for more (")
    assert told.endswith(
        "); free space on the disk, or raise max_page_count or the file size limit (ulimit -f); jobs that are done can "
        "still be settled as far as SQLite finds room"
    )
    await works_on(url, *range(int(count)))


AS_NOBODY = """
import asyncio, os, sys
import tomllib
import asyncq.drivers.sqlite
from asyncq import AsyncQ, Job

class Fine(Job, name="bad-places:fine"):
    number: int
    async def handle(self) -> None: ...

async def main(url):
    async with AsyncQ(url):
        await Fine(number=2).dispatch()

asyncio.run(main("memory://"))  # all is imported now: another user may not be able to read what Python is made of
if os.getuid() == 0:
    os.setuid(int(sys.argv[2]))
try:
    asyncio.run(main(sys.argv[1]))
except Exception as error:
    print(f"{type(error).__name__}: {error}")
else:
    print("accepted")
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, as those of a test's own are not."""
    folder = Path(tempfile.mkdtemp()).resolve()
    folder.chmod(0o755)
    (folder / "pyproject.toml").touch()
    yield folder
    folder.chmod(0o755)
    rmtree(folder)


async def test_a_file_that_may_only_be_read(open_folder: Path) -> None:
    path, url = open_folder / "queue.db", f"sqlite:///{open_folder}/queue.db"
    await accept(url)
    path.chmod(0o444)
    assert run(AS_NOBODY, url, str(NOBODY), cwd=open_folder) == (
        f"BrokerUnavailable: {path} cannot be read and written by this user; change its owner or mode\n"
    )
    path.chmod(0o644)
    await works_on(url, 1)


def test_a_folder_that_may_only_be_read(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    url = f"sqlite:///{open_folder}/queue.db"
    assert run(AS_NOBODY, url, str(NOBODY), cwd=open_folder) == (
        f"BrokerUnavailable: {open_folder} cannot be written by this user, and SQLite keeps two files beside queue.db "
        "there; change its owner or mode\n"
    )
    url = f"sqlite:///{open_folder}/.asyncq/queue.db"
    assert run(AS_NOBODY, url, str(NOBODY), cwd=open_folder) == (
        f"BrokerUnavailable: {open_folder}/.asyncq/queue.db: cannot make its directory ([Errno 13] Permission denied: "
        f"'{open_folder}/.asyncq'); make it, or choose another\n"
    )


# --- Redis ---


async def test_a_server_that_is_not_there() -> None:
    port = free_port()
    kind, text = await told(AsyncQ(f"redis://127.0.0.1:{port}?retry_for=0.1"))
    assert kind is BrokerUnavailable
    assert text == (
        f"redis://127.0.0.1:{port} does not answer (ConnectionError: Error 111 connecting to 127.0.0.1:{port}. "
        f"Connect call failed ('127.0.0.1', {port})); start it, or correct the URL"
    )


async def test_a_wrong_password() -> None:
    with RedisServer(password="right") as server:  # noqa: S106 - of this test
        place, right = f"127.0.0.1:{server.port}", f"redis://:right@127.0.0.1:{server.port}"
        await accept(right)
        kind, text = await told(AsyncQ(f"redis://:guess@{place}"))
        assert kind is ConfigError
        assert text == (
            f"redis://{place} refuses this user (invalid username-password pair or user is disabled.); check user and "
            "password in the URL, and the rights that the page about Redis lists"
        )
        await works_on(right, 1)


async def test_a_server_that_may_throw_jobs_away() -> None:
    with RedisServer() as server:
        url = f"redis://127.0.0.1:{server.port}"
        await accept(url)
        server.command("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
        kind, text = await told(AsyncQ(url))
        assert kind is ConfigError
        assert text == (
            f"{url} has maxmemory-policy allkeys-lru: it throws jobs away when its memory is full; set noeviction, or "
            "give this connection allow_eviction=true to live with lost jobs"
        )
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await works_on(url, 1)


async def test_a_server_without_memory() -> None:
    with RedisServer() as server:
        url = f"redis://127.0.0.1:{server.port}"
        await accept(url)
        server.command("CONFIG", "SET", "maxmemory", "1")
        async with AsyncQ(url):
            with pytest.raises(QueueFull) as caught:
                await Fine(number=2).dispatch()
        assert str(caught.value).startswith(f"{url} has no memory left (")
        assert str(caught.value).endswith(
            "); jobs that are there are still worked off; raise maxmemory, or wait until the queues are shorter"
        )
        server.command("CONFIG", "SET", "maxmemory", "0")
        await works_on(url, 1)


# --- libraries, programs, sessions ---

WITHOUT_REDIS = """
import asyncio, sys
sys.modules["redis"] = None
from asyncq import AsyncQ
try:
    AsyncQ("redis://host")
except Exception as error:
    print(f"{type(error).__name__}: {error}")
"""


def test_a_library_that_is_not_installed() -> None:
    assert run(WITHOUT_REDIS) == (
        f"{MissingDependency.__name__}: redis:// needs the library redis, which is not installed: "
        "pip install 'asyncq[redis]'\n"
    )


SESSION = """
from asyncq import *
class Mail(Job):
    to: str
    async def handle(self): ...

import asyncio
asyncio.run(Mail(to="x").dispatch(quue="y"))
asyncio.run(Mail(to=3).dispatch())
Mail(to="x").dispatch().send(None)
"""


def test_a_person_at_a_prompt_reads_all_in_the_last_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-i", "-q"],
        input=SESSION,
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    last = [line for line in done.stderr.splitlines() if line.startswith("asyncq.errors.")]
    assert last == [
        "asyncq.errors.WrongType: Mail: unknown option 'quue'; did you mean 'queue'?",
        "asyncq.errors.EncodeError: Mail.to: Input should be a valid string, got 3",
        "asyncq.errors.NotOpen: no asyncio loop is running here; from plain code call asyncq.blocking.dispatch(job)",
    ]


WEB = """
import asyncio
from fastapi import FastAPI
from asyncq import AsyncQ, Job

class Mail(Job):
    to: str
    async def handle(self): ...

queue = AsyncQ("sqlite:///queue.db")
api = FastAPI(lifespan=queue.lifespan())

@api.get("/")
async def send():
    await Mail(to="x").dispatch(connection="reports")

async def main():
    async with api.router.lifespan_context(api):
        async def receive():
            return {"type": "http.disconnect"}
        async def send(message): ...
        scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "headers": []}
        await api(scope, receive, send)

asyncio.run(main())
"""


def test_so_does_who_reads_the_log_of_a_web_server(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WEB], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "asyncq.errors.ConfigError: Mail: no connection is called 'reports'; there are 'default'"
    )


def run(code: str, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCQ_")}
    return {**kept, "PYTHONPATH": str(ROOT)}
