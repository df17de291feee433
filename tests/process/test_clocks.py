"""Workers in processes of their own on a server: one whose clock is an hour off, and ones that are told to stop."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from asyncq import AsyncQ
from asyncq.cli.heartbeats import beats_of
from asyncq.config import Connection
from asyncq.drivers import connect
from asyncq.payload import Envelope
from tests.behaviour.looking import empty, failed_jobs
from tests.contract.backends import backend_on
from tests.support.root import ROOT
from tests.support.shared import Shared

SLACK = 5.0
"""For pauses of the machine."""

JOBS = '''
import asyncio
import os
import time

from asyncq import AsyncQ, Job, JobContext

app = AsyncQ(os.environ["URL"])


def note(what: str, ctx: JobContext) -> None:
    """Append one line to the history; monotonic time is the machine's, and the same in all processes."""
    words = what, ctx.id, type(ctx.job).__name__, os.getpid(), ctx.attempt, ctx.crashes, f"{time.monotonic():.3f}"
    file = os.open("history.txt", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(file, (" ".join(map(str, words)) + "\\n").encode())
    os.close(file)


class Work(Job):
    seconds: float = 0.0

    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        await asyncio.sleep(self.seconds)
        note("end", ctx)


class Later(Work):
    """Due one second after its dispatch."""


class Again(Job):
    async def handle(self, ctx: JobContext) -> None:
        note("start", ctx)
        if ctx.attempt < 3:
            raise ValueError("no")


class Sends(Job):
    async def handle(self, ctx: JobContext) -> None:
        await Later().dispatch(delay=1.0, id=f"{ctx.id}-later")
        note("start", ctx)
        await asyncio.sleep(0.2)
'''
CLOCK = """
import os
import time

OFF = float(os.environ.get("CLOCK_OFF", "0"))
seconds, nanoseconds = time.time, time.time_ns
time.time = lambda: seconds() + OFF
time.time_ns = lambda: nanoseconds() + int(OFF * 1e9)
"""


@dataclass(frozen=True)
class Line:
    what: str
    id: str
    job: str
    pid: int
    attempt: int
    crashes: int
    at: float


def history_in(folder: Path) -> list[Line]:
    file = folder / "history.txt"
    texts = [text.split() for text in file.read_text().splitlines()] if file.exists() else []
    return [
        Line(what, id, job, int(pid), int(attempt), int(crashes), float(at))
        for what, id, job, pid, attempt, crashes, at in texts
    ]


@pytest.fixture(params=["redis", "postgres"])
def url(request: pytest.FixtureRequest, servers: Shared, tmp_path: Path) -> str:
    """An empty store."""
    return backend_on(servers, request.param, tmp_path).url


@contextmanager
def worker_in(folder: Path, url: str, name: str, *, off: float = 0.0) -> Generator[subprocess.Popen[bytes]]:
    (folder / "pyproject.toml").write_text("[tool.asyncq]\napp = 'shop:app'\n")
    (folder / "shop.py").write_text(JOBS)
    (folder / "early").mkdir(exist_ok=True)
    (folder / "early" / "sitecustomize.py").write_text(CLOCK)
    environment = {**os.environ, "PYTHONPATH": f"{folder / 'early'}:{ROOT}", "URL": url, "CLOCK_OFF": str(off)}
    command = [sys.executable, "-m", "asyncq", "work", "--name", name, "--concurrency", "4", "--prefetch", "0"]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


async def beating(url: str, *names: str) -> None:
    """Wait for heartbeats."""
    async with connect(Connection(url)) as driver:
        with anyio.fail_after(30):
            while {beat.name for beat in await beats_of(driver)} != set(names):  # noqa: ASYNC110 - a heartbeat has no event here
                await anyio.sleep(0.02)


@pytest.mark.parametrize("off", [3600.0, -3600.0])
async def test_a_worker_whose_clock_is_an_hour_off_disturbs_nobody(url: str, tmp_path: Path, off: float) -> None:
    url = f"{url}&lease=2"
    with worker_in(tmp_path, url, "true"), worker_in(tmp_path, url, "wrong", off=off):
        await beating(url, "true", "wrong")
        async with AsyncQ(url) as app:
            driver = (await app.engine()).driver("default")
            began = {beat.name: float(beat.state["started_at"]) for beat in await beats_of(driver)}
            assert abs(began["wrong"] - began["true"] - off) < 60, "its clock is wrong indeed"
            pushed = time.monotonic()
            await driver.push(
                [
                    *(_job("Work", f"long-{number}", seconds=5.0) for number in range(2)),
                    *(_job("Again", f"again-{number}") for number in range(6)),
                    *(_job("Later", f"later-{number}", delay=1.0) for number in range(6)),
                    *(_job("Sends", f"sends-{number}") for number in range(8)),
                ]
            )
            await empty(app, within=30)
            assert await failed_jobs(app) == ()
    lines = history_in(tmp_path)
    starts = [line for line in lines if line.what == "start"]
    assert len({line.pid for line in starts}) == 2, "both worked"
    assert {line.crashes for line in starts} == {0}
    attempts = {id: [line.attempt for line in starts if line.id == id] for id in {line.id for line in starts}}
    assert attempts == {
        **{f"long-{number}": [1] for number in range(2)},
        **{f"again-{number}": [1, 2, 3] for number in range(6)},
        **{f"later-{number}": [1] for number in range(6)},
        **{f"sends-{number}": [1] for number in range(8)},
        **{f"sends-{number}-later": [1] for number in range(8)},
    }
    at = {(line.id, line.attempt): line.at for line in starts}
    for number in range(6):
        assert 0.95 <= at[f"later-{number}", 1] - pushed < 1.0 + SLACK
        for attempt in (1, 2):
            assert 0.45 <= at[f"again-{number}", attempt + 1] - at[f"again-{number}", attempt] < 0.5 + SLACK
    for number in range(8):
        assert 0.95 <= at[f"sends-{number}-later", 1] - at[f"sends-{number}", 1] < 1.0 + SLACK


def _job(name: str, id: str, *, delay: float = 0.0, seconds: float | None = None) -> Envelope:
    settings = {"tries": 3, "backoff": [0.5]} if name == "Again" else {}
    header = {"v": 1, "name": f"shop:{name}", "at": time.time(), "settings": settings}
    arguments = {} if seconds is None else {"seconds": seconds}
    body = json.dumps(header).encode() + b"\n" + json.dumps(arguments).encode()
    return Envelope(id, "default", f"shop:{name}", body, delay=delay)


@pytest.mark.parametrize("block_for", ["none", "0", "2"])
async def test_a_stop_ends_an_idle_worker_at_once(url: str, tmp_path: Path, block_for: str) -> None:
    url = f"{url}&block_for={block_for}"
    with worker_in(tmp_path, url, "idle") as worker:
        await beating(url, "idle")
        await anyio.sleep(0.3)  # it is in its wait by then; earlier it would end as soon
        stopped = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert time.monotonic() - stopped < 0.5 + SLACK
    await beating(url)
