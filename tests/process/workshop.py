"""A project with real worker processes around it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncq import AsyncQ
from asyncq.payload import Envelope
from asyncq.records import FailedJob, QueueSize
from tests.support.root import ROOT
from tests.support.waiting import until

__all__ = ["Line", "Worker", "Workshop", "until"]


@dataclass(frozen=True)
class Line:
    """One line of the history."""

    what: str
    id: str
    pid: int
    attempt: int
    crashes: int
    at: float
    job: str


class Worker:
    """One `asyncq work`, with its log in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def log(self) -> str:
        """What it said so far."""
        return self._log.read_text(errors="replace")

    def send(self, number: int) -> None:
        """Send a signal to the process alone."""
        self.process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Wait for its end and return the exit code."""
        return self.process.wait(seconds)


class Workshop:
    """The folder, its history, and the workers that run in it."""

    def __init__(self, folder: Path, lease: float = 30.0) -> None:
        self.folder = folder
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "LEASE": str(lease)}
        self._workers: list[Worker] = []
        (folder / "pyproject.toml").write_text("[tool.asyncq]\napp = 'shop:app'\n")
        shutil.copy(Path(__file__).with_name("shop.py"), folder / "shop.py")

    def patch(self, code: str) -> None:
        """Add code to the project's module, to be run in every worker."""
        with (self.folder / "shop.py").open("a") as file:
            file.write(code)

    def start(self, *arguments: str) -> Worker:
        """Start `asyncq work` and wait until it says that it works."""
        log = self.folder / f"worker-{len(self._workers)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "asyncq", "work", *arguments],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        worker = Worker(process, log)
        self._workers.append(worker)
        until(lambda: self.beats() or process.poll() is not None, 20, "a worker's heartbeat")
        return worker

    def close(self) -> None:
        """Kill what is left, with the children of parents."""
        for worker in self._workers:
            for pid in [*children_of(worker.pid), worker.pid]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            worker.process.wait(5)

    def dispatch(self, *jobs: tuple[str, Mapping[str, Any]]) -> list[str]:
        """Push jobs of the shop, in this order; returns their ids."""
        bodies = [
            Envelope(
                id=f"{name}-{time.monotonic_ns()}-{index}",
                queue="default",
                name=f"shop:{name}",
                body=_body(f"shop:{name}", fields),
            )
            for index, (name, fields) in enumerate(jobs)
        ]
        asyncio.run(self._push(bodies))
        return [body.id for body in bodies]

    async def _push(self, envelopes: Sequence[Envelope]) -> None:
        async with self._app() as app:
            await (await app.engine()).driver("default").push(envelopes)

    def _app(self) -> AsyncQ:
        return AsyncQ(f"sqlite:///{self.folder}/queue.db?lease={self._environment['LEASE']}")

    def history(self) -> list[Line]:
        """All lines so far."""
        file = self.folder / "history.txt"
        return [_line(text) for text in file.read_text().splitlines()] if file.exists() else []

    def starts(self, id: str) -> list[Line]:
        """The starts of one job."""
        return [line for line in self.history() if line.what == "start" and line.id == id]

    def ends(self) -> list[str]:
        """Ids of the jobs that came to their end, in order."""
        return [line.id for line in self.history() if line.what == "end"]

    def failed(self) -> list[FailedJob]:
        """What the failed store holds."""

        async def read() -> list[FailedJob]:
            async with self._app() as app:
                store = (await app.engine()).failed_store("default")
                assert store is not None
                return list((await store.page()).items)

        return asyncio.run(read())

    def size(self) -> QueueSize:
        """What the default queue holds."""

        async def read() -> QueueSize:
            async with self._app() as app:
                return (await (await app.engine()).driver("default").sizes(["default"]))["default"]

        return asyncio.run(read())

    def beats(self) -> list[str]:
        """Names of the workers that have a heartbeat."""

        async def read() -> list[str]:
            async with self._app() as app:
                signals = (await app.engine()).driver("default").stores.signals
                assert signals is not None
                return [signal.name for signal in await signals.page("worker:")]

        return asyncio.run(read())


@contextmanager
def workshop(folder: Path, lease: float = 30.0) -> Generator[Workshop]:
    """Give a project, and end its workers afterwards."""
    made = Workshop(folder, lease)
    try:
        yield made
    finally:
        made.close()


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(text) for text in task.read_text().split()]
    return found


def _body(name: str, fields: Mapping[str, Any]) -> bytes:
    import orjson

    settings = {"timeout": 1.0} if name in {"shop:Spin", "shop:Gil"} else {}
    header = {"v": 1, "name": name, "at": time.time(), "settings": settings}
    return orjson.dumps(header) + b"\n" + orjson.dumps(fields)


def _line(text: str) -> Line:
    what, id, pid, attempt, crashes, at, job = text.split()
    return Line(what, id, int(pid), int(attempt), int(crashes), float(at), job)
