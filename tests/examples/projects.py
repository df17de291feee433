"""Projects in temporary folders, and their commands as a person would type them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from asyncq.config import Connection
from asyncq.drivers import connect
from tests.support.root import ROOT
from tests.support.waiting import until

EXAMPLES = ROOT / "docs" / "examples"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder of its own that an example was copied into."""

    path: Path

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run Python there and return its stdout."""
        done = subprocess.run(
            [sys.executable, *arguments], cwd=self.path, env=environment(), capture_output=True, text=True, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    def asyncq(self, *arguments: str) -> Any:
        """Run a command with `--json` and return what it answered."""
        return json.loads(self.run("-m", "asyncq", *arguments, "--json"))

    @contextmanager
    def serving(self, *arguments: str, ready: str) -> Generator[str]:
        """Run a Python program there while the block lasts; yields what its log says at `ready`, a pattern's group."""
        log = self.path / "server.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *arguments], cwd=self.path, env=environment(), stdout=file, stderr=subprocess.STDOUT
            )
        try:
            found = until(lambda: re.search(ready, log.read_text()) or process.poll() is not None, 30, "the server")
            assert found is not True, log.read_text()
            yield found[1]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)

    def said(self) -> str:
        """Return what the program of `serving` has written."""
        return (self.path / "server.log").read_text()

    @contextmanager
    def workers(self) -> Generator[None]:
        """Work while the block lasts, as in production: a signal ends it, and it must end well."""
        command = [sys.executable, "-m", "asyncq", "work", "--concurrency", "50", "--processes", "2"]
        with (self.path / "worker.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=self.path, env=environment(), stdout=log, stderr=log)
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                code = process.wait(40)
        assert code == 0, (self.path / "worker.log").read_text()

    def wait_until_empty(self, queue: str = "default", *, seconds: float = 60) -> None:
        """Return when no job is left, delayed ones included."""
        end = time.monotonic() + seconds
        while asyncio.run(self._left(queue)):
            assert time.monotonic() < end, (self.path / "worker.log").read_text()
            time.sleep(0.1)

    async def _left(self, queue: str) -> int:
        """Count here, since a command for each look would take the workers' CPU."""
        url = f"sqlite:///{quote(str(self.path / '.asyncq' / 'queue.db'))}"
        async with connect(Connection(url), name="default") as driver:
            return (await driver.sizes([queue]))[queue].total

    def processes(self) -> list[str]:
        """Return the commands that run in the project's folder."""
        found: list[str] = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink().is_relative_to(self.path):
                    found.append((process / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue  # it ended, or is somebody else's
        return found


def environment() -> dict[str, str]:
    """Return ours, without what would change an example."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ASYNCQ_")}
    return {**kept, "PYTHONPATH": str(ROOT)}


def copy_example(name: str, target: Path) -> Project:
    """Make a project of an example's files, without what a person who tried it there left behind."""
    target.mkdir()
    (target / "pyproject.toml").touch()
    for file in (EXAMPLES / name).iterdir():
        if file.suffix in {".py", ".html"}:
            shutil.copy(file, target)
    return Project(target)
