"""Projects in folders of a test's own, and the command line run in them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.ids import new_id
from asyncq.payload import Envelope
from asyncq.records import FailedJob, QueueSize
from tests.cli.quick import run_quickly
from tests.support import waiting
from tests.support.root import ROOT

__all__ = ["JOBS", "Answer", "Project", "Terminal", "Worker", "project_with", "until"]

LIMIT = 30
"""Seconds that any command may take; a limit against hanging, no measure."""

JOBS = '''
"""Jobs that write down what they do, one line each, in the folder where they run."""

import asyncio
import os
import time
from pathlib import Path

from asyncq import Job, JobContext, field


def note(*words: object) -> None:
    file = os.open("history.txt", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    os.write(file, (" ".join(map(str, words)) + "\\n").encode())
    os.close(file)


class Mail(Job, queue="mail"):
    to: str
    token: str = field(default="", redact=True)

    async def handle(self) -> None:
        note("mail", self.to)


class Count(Job):
    number: int = 0

    async def handle(self, ctx: JobContext) -> None:
        note("count", self.number, os.getpid(), ctx.attempt)


class Nap(Job):
    seconds: float = 0.2

    async def handle(self, ctx: JobContext) -> None:
        note("start", time.monotonic())
        try:
            await asyncio.sleep(self.seconds)
        finally:
            note("end", time.monotonic())


class Bad(Job):
    why: str = "no"

    async def handle(self, ctx: JobContext) -> None:
        note("bad", ctx.attempt, time.monotonic())
        raise ValueError(self.why)


class Eat(Job):
    megabytes: int

    async def handle(self) -> None:
        Eat.kept = b"x" * (self.megabytes * 1_000_000)
        note("ate", self.megabytes)
'''

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """The lines of a listing on a pipe."""
        head, *lines = self.out.splitlines()
        return [dict(zip(head.split("\t"), line.split("\t"), strict=True)) for line in lines]


class Worker:
    """A running `asyncq work`, with all that it says in a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def log(self) -> str:
        """Return what it has said so far."""
        return self._log.read_text()

    def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        return self.process.wait(LIMIT)

    def wait_for(self, text: str) -> None:
        """Wait until it says something."""
        until(lambda: text in self.log() or self.process.poll() is not None, f"{text!r} in the log")
        assert text in self.log(), self.log()


class Terminal:
    """A command that thinks it talks to a person."""

    def __init__(self, process: subprocess.Popen[bytes], screen: int) -> None:
        self.process = process
        self._screen = screen
        self._shown = b""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._screen, text.encode())

    def shown(self) -> str:
        """Return all that has been shown so far."""
        while select.select([self._screen], [], [], 0)[0] and (more := _read(self._screen)):
            self._shown += more
        return self._shown.decode().replace("\r\n", "\n")

    def wait_for(self, text: str) -> None:
        """Wait until something is shown."""
        until(lambda: text in self.shown() or self.process.poll() is not None, f"{text!r} on the screen")
        assert text in self.shown(), self.shown()

    def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        until(lambda: (self.shown(), self.process.poll() is not None)[1], "the end of the command")
        return self.process.returncode


class Project:
    """A folder with a `pyproject.toml`, and jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._workers: list[Worker] = []

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *arguments: str, cwd: str = ".", **variables: str) -> Answer:
        """Run a command on pipes."""
        out, err = self.folder / ".out", self.folder / ".err"
        code = run_quickly(arguments, self.folder / cwd, environment(variables), out, err)
        return Answer(code, out.read_text(), err.read_text())

    def ok(self, *arguments: str, **variables: str) -> Answer:
        """Run a command that has to succeed."""
        answer = self.run(*arguments, **variables)
        assert answer.code == 0, answer
        return answer

    def json(self, *arguments: str, code: int = 0, **variables: str) -> Any:
        """Run a command with `--json` and return the document."""
        answer = self.run(*arguments, "--json", **variables)
        assert answer.code == code, answer
        return json.loads(answer.out)

    def on_terminal(self, *arguments: str, **variables: str) -> str:
        """Run a command whose stdout is a terminal, and return what that shows."""
        screen, end = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "asyncq", *arguments],
            cwd=self.folder,
            env=environment({"TERM": "xterm-256color", "COLUMNS": "160", **variables}),
            stdin=subprocess.DEVNULL,
            stdout=end,
            stderr=subprocess.PIPE,
        )
        os.close(end)
        shown = b"".join(iter(lambda: _read(screen), b""))
        os.close(screen)
        process.communicate(timeout=LIMIT)
        return shown.decode().replace("\r\n", "\n")

    def at_terminal(self, *arguments: str, typed: str = "", **variables: str) -> Answer:
        """Run a command with a terminal on all sides, where somebody types; `out` is all that it shows."""
        with self.terminal(*arguments, **variables) as terminal:
            terminal.type(typed)
            return Answer(terminal.wait(), terminal.shown(), "")

    @contextmanager
    def terminal(self, *arguments: str, **variables: str) -> Generator[Terminal]:
        """Start a command with a terminal on all sides; it is ended with the block."""
        screen, end = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "asyncq", *arguments],
            cwd=self.folder,
            env=environment({"TERM": "xterm-256color", "COLUMNS": "160", **variables}),
            stdin=end,
            stdout=end,
            stderr=end,
        )
        os.close(end)
        try:
            yield Terminal(process, screen)
        finally:
            process.kill()
            process.wait()
            os.close(screen)

    def push(self, *names: str, delay: float = 0, **fields: Any) -> list[str]:
        """Put jobs into their queues from here, which is quicker than a process for each; returns their ids."""
        envelopes = [_envelope(name, fields, delay) for name in names]
        asyncio.run(self._with_driver(lambda driver: driver.push(envelopes)))
        return [envelope.id for envelope in envelopes]

    def size(self, queue: str = "default") -> QueueSize:
        """Return what a queue holds."""
        return asyncio.run(self._with_driver(lambda driver: driver.sizes([queue])))[queue]

    def failed(self) -> list[FailedJob]:
        """Return the failed jobs, newest first."""

        async def read(driver: Driver) -> list[FailedJob]:
            assert driver.stores.failed is not None
            return list((await driver.stores.failed.page()).items)

        return asyncio.run(self._with_driver(read))

    def workers(self) -> list[str]:
        """Return the names of the workers that are alive."""

        async def read(driver: Driver) -> list[str]:
            assert driver.stores.signals is not None
            return [signal.name for signal in await driver.stores.signals.page("worker:")]

        return asyncio.run(self._with_driver(read))

    async def _with_driver(self, call: Callable[[Driver], Awaitable[T]]) -> T:
        connection = Connection(f"sqlite:///{self.folder}/.asyncq/queue.db")
        async with connect(connection, name="default") as driver:
            return await call(driver)

    def work(self, *options: str, **variables: str) -> Answer:
        """Work until nothing is due."""
        return self.ok("work", "--stop-when-empty", *options, **variables)

    def start(self, *options: str, **variables: str) -> Worker:
        """Start `asyncq work` beside the test, and wait until it can be seen."""
        log = self.folder / f"worker-{len(self._workers)}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "asyncq", "work", *options],
                cwd=self.folder,
                env=environment(variables),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        self._workers.append(Worker(process, log))
        return self._workers[-1]

    def history(self) -> list[list[str]]:
        """Return the lines that the jobs wrote, as words."""
        file = self.folder / "history.txt"
        return [line.split() for line in file.read_text().splitlines()] if file.exists() else []

    def forget(self) -> None:
        """Begin anew: no queue, no history."""
        for file in [*self.folder.glob(".asyncq/*"), self.folder / "history.txt"]:
            file.unlink(missing_ok=True)

    def close(self) -> None:
        """End the workers that a failed test left."""
        for worker in self._workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    worker.process.wait(10)
                worker.process.kill()
                worker.process.wait()


@contextmanager
def project_with(folder: Path, **files: str) -> Generator[Project]:
    """Make a project; a keyword `jobs` is the file `jobs.py`."""
    project = Project(folder)
    project.write("pyproject.toml", "")
    for name, text in files.items():
        project.write(f"{name}.py", text)
    try:
        yield project
    finally:
        project.close()


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Return ours, without what would change a command."""
    left_out = ("ASYNCQ_", "NO_COLOR", "FORCE_COLOR")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**kept, "PYTHONPATH": str(ROOT), **variables}


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition and return what it answered."""
    return waiting.until(condition, LIMIT, what)


def _envelope(name: str, fields: Mapping[str, Any], delay: float) -> Envelope:
    header: dict[str, Any] = {"v": 1, "name": f"jobs:{name}", "at": time.time(), "settings": {}}
    body = f"{json.dumps(header)}\n{json.dumps(fields)}".encode()
    queue = "mail" if name == "Mail" else "default"
    return Envelope(new_id(), queue, f"jobs:{name}", body, delay=delay)


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 65536)
    except OSError:
        return b""  # Linux says so when the other end is closed
