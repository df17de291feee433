"""Starts, kills, stalls and replaces worker processes, and follows what they write."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from benchmarks.chaos.history import Line, Log, parse
from benchmarks.chaos.options import Options

__all__ = ["Fleet", "Member"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 30.0
"""Seconds that a worker may take to leave when it is told to."""


class Member:
    """One worker process, seen from outside."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.name = name
        self.process = process
        self.running: set[str] = set()
        """Reservations whose handler is between its first and its last line."""
        self.confirmed = 0
        self._path = folder / f"{name}.history"
        self._file: BinaryIO | None = None
        self._rest = b""

    def follow(self) -> None:
        """Read what was written since the last look."""
        if self._file is None and self._path.exists():
            self._file = self._path.open("rb")
        if self._file is not None and (news := self._file.read()):
            whole, end, self._rest = (self._rest + news).rpartition(b"\n")
            for line in parse(whole + end):
                self._hear(line)

    def close(self) -> None:
        """Stop following."""
        if self._file is not None:
            self._file.close()

    def _hear(self, line: Line) -> None:
        if line.kind == "start":
            self.running.add(line.token)
        elif line.kind in {"end", "cancelled"}:
            self.running.discard(line.token)
        elif line.kind == "confirmed":
            self.confirmed += 1


class Fleet:
    """Keeps as many workers alive as the options say; leaving its block ends all of them."""

    def __init__(self, options: Options, folder: Path, log: Log) -> None:
        self._options = options
        self._folder = folder
        self._log = log
        self._started = 0
        self._gone = 0
        self.members: list[Member] = []

    def __enter__(self) -> Self:
        for _ in range(self._options.workers):
            self._spawn()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        for member in self.members:
            if member.process.poll() is None:
                member.process.kill()
                member.process.wait()
            member.close()

    @property
    def confirmed(self) -> int:
        """Jobs whose end was confirmed so far."""
        return self._gone + sum(member.confirmed for member in self.members)

    def look(self) -> None:
        """Read the news of all, and replace a worker that died by itself."""
        for member in list(self.members):
            member.follow()
            if member.process.poll() is not None:
                self._bury(member)
                self._spawn()

    def kill(self, victim: Member) -> None:
        """Kill with SIGKILL, and start another one at once."""
        self._log.write("kill", victim.name, detail=f"{len(victim.running)} running")
        victim.process.kill()
        victim.process.wait()
        self._bury(victim)
        self._spawn()

    def stop(self, victim: Member) -> None:
        """Let a process stand still."""
        os.kill(victim.process.pid, signal.SIGSTOP)
        self._log.write("stop", victim.name, detail=f"{len(victim.running)} running")

    def resume(self, victim: Member) -> None:
        """Let it go on."""
        self._log.write("cont", victim.name)
        os.kill(victim.process.pid, signal.SIGCONT)

    def drain(self) -> None:
        """Tell all workers to leave, and wait until they have."""
        for member in self.members:
            member.process.terminate()
        until = time.monotonic() + PATIENCE
        for member in list(self.members):
            try:
                member.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                member.process.wait()
            self._bury(member)

    def _spawn(self) -> None:
        name = f"worker-{self._started:03}"
        self._started += 1
        process = start("worker", self._folder, name, self._options.to_json(), name)
        self.members.append(Member(name, process, self._folder))

    def _bury(self, member: Member) -> None:
        member.follow()
        member.close()
        self._log.write("exit", member.name, detail=str(member.process.returncode))
        self._gone += member.confirmed
        self.members.remove(member)


def start(module: str, folder: Path, name: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a process of the run in a session of its own; what it prints goes to a file."""
    with (folder / f"{name}.log").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", f"benchmarks.chaos.{module}", str(folder), *arguments],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
