"""A private server on a free port, from its start in a folder of its own to its end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from tests.support.ports import free_port
from tests.support.processes import GuardedProcess
from tests.support.waiting import until

__all__ = ["START", "PrivateServer"]

START = 30.0
"""Seconds that a server has to answer; machines pause, and one that was killed reads its journal first."""


_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
_SPACE = 2 << 30


class PrivateServer(ABC):
    """Runs inside `with`; what it keeps lies in a folder that is removed at the end."""

    kind: ClassVar[str]
    """What it is, for messages."""
    farewell: ClassVar[str] = ""
    """Shell that is run in its folder once it was killed: removes what it has left elsewhere."""
    in_memory = False
    """Whether its folder may lie in a file system in memory: quicker, above all beside others that use the disk."""

    def __init__(self) -> None:
        self.port = 0
        self._directory = Path()
        self._process: GuardedProcess | None = None

    def __enter__(self) -> Self:
        # Short on purpose: the path of a unix socket has at most 107 bytes.
        self._directory = Path(tempfile.mkdtemp(prefix="aq-", dir=_MEMORY if self.in_memory and _spacious() else None))
        try:
            self._prepare()
            self._start_somewhere()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    def kill(self) -> None:
        """End it and the processes below it as `kill -9` does; nothing happens if it does not run."""
        if self._process is None:
            return
        self._process.kill()
        if self.farewell:
            subprocess.run(["/bin/sh", "-c", self.farewell], cwd=self._directory, capture_output=True, check=False)

    def restart(self) -> None:
        """Start it again on its port and in its folder; ends it first as `kill` does if it runs."""
        self.kill()
        self._start()

    def freeze(self) -> None:
        """Let it stand still: connections stay open, nothing is answered."""
        self._running.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._running.thaw()

    @property
    def pid(self) -> int:
        """The server's process, the first where it has several."""
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs, or is frozen."""
        return self._process is not None and self._process.alive

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    # --- what each kind of server says --------------------------------------------------------------------------------

    @abstractmethod
    def _prepare(self) -> None:
        """Find the program and fill the folder; the port is not known yet."""

    @abstractmethod
    def _configure(self) -> None:
        """Write down where it listens, once the port is chosen; not repeated by `restart`."""

    @abstractmethod
    def _command(self) -> list[str]:
        """What is run."""

    @abstractmethod
    def _answers(self) -> bool:
        """Ask it something; False while it starts."""

    # --- starting -----------------------------------------------------------------------------------------------------

    @property
    def _log(self) -> Path:
        return self._directory / "log"

    @property
    def _running(self) -> GuardedProcess:
        assert self._process is not None, "the server runs only inside `with`"
        return self._process

    def _start_somewhere(self) -> None:
        """Start on a free port; somebody may take it between the look and the start."""
        for attempts_left in reversed(range(5)):
            self.port = free_port()
            self._configure()
            try:
                self._start()
            except RuntimeError:
                if not attempts_left or "ddress already in use" not in self.log:
                    raise
            else:
                return

    def _start(self) -> None:
        self._process = GuardedProcess(self._command(), self._directory, self.farewell)
        until(self._started, START, f"{self.kind} at port {self.port} that answers")

    def _started(self) -> bool:
        if not self.alive:
            raise RuntimeError(f"{self.kind} ended at its start:\n{self.log[-2000:]}")
        return self._answers()


def _spacious() -> bool:
    """Whether there is such a file system, with more room than a container gets by default."""
    return _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _SPACE
