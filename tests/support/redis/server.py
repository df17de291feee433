"""One private Redis server."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import hiredis

from tests.support.ports import free_port
from tests.support.processes import GuardedProcess
from tests.support.redis.binaries import Flavour, require
from tests.support.redis.wire import Argument, call
from tests.support.waiting import until

__all__ = ["RedisServer"]

START = 20.0
"""Seconds that a server has to answer; machines pause."""


class RedisServer:
    """A server on a free port of 127.0.0.1 and on a unix socket; it runs inside `with`, and has no data at first.

    `persistent` writes each change to disk before it is answered, so that `restart` after `kill` finds all of it.
    `users` are ACL rules by name, `{"worker": "on >secret ~jobs:* +@all"}`; `config` is any other line of its file.
    """

    def __init__(
        self,
        flavour: Flavour = "any",
        *,
        persistent: bool = False,
        maxmemory: str | None = None,
        password: str | None = None,
        users: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
        sentinel: bool = False,
    ) -> None:
        self.flavour: Flavour = flavour
        self.password = password
        self.port = 0
        self._directory = Path()
        self._process: GuardedProcess | None = None
        self._config = {"save": '""', "bind": "127.0.0.1"}
        self._config |= {"appendonly": "yes", "appendfsync": "always"} if persistent else {"appendonly": "no"}
        self._config |= {"maxmemory": maxmemory} if maxmemory else {}
        self._config |= {"requirepass": password} if password else {}
        self._config |= config or {}
        self._users = dict(users or {})
        self._sentinel = sentinel

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        # Short on purpose: the path of a unix socket has at most 107 bytes.
        self._program = require(self.flavour)
        self._directory = Path(tempfile.mkdtemp(prefix="aq-"))
        try:
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
        """End it as `kill -9` does; nothing happens if it does not run."""
        if self._process is not None:
            self._process.kill()

    def restart(self) -> None:
        """Start it again on its port and in its directory; ends it first if it runs."""
        self.kill()
        self._start()

    def freeze(self) -> None:
        """Let it stand still: connections stay open, nothing is answered."""
        self._running.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._running.thaw()

    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs, or is frozen."""
        return self._process is not None and self._process.alive

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return self._directory / "s"

    @property
    def log(self) -> str:
        """What it has written so far."""
        path = self._directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def url(self) -> str:
        """`redis://127.0.0.1:PORT/0`, with the password if there is one."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def command(self, *arguments: Argument) -> Any:
        """Send one command and return its answer; integers, None, lists, and texts as str."""
        return call(self.socket, *arguments, password=self.password)

    # --- starting -----------------------------------------------------------------------------------------------------

    @property
    def _running(self) -> GuardedProcess:
        assert self._process is not None, "the server runs only inside `with`"
        return self._process

    def _start_somewhere(self) -> None:
        """Start on a free port; somebody may take it between the look and the start."""
        for attempts_left in reversed(range(5)):
            self.port = free_port()
            self._write_config()
            try:
                self._start()
            except RuntimeError:
                if not attempts_left or "ddress already in use" not in self.log:
                    raise
            else:
                return

    def _write_config(self) -> None:
        """Write it once: a server may keep what it has learned in this file."""
        lines = {"port": str(self.port), "unixsocket": str(self.socket), "dir": str(self._directory)}
        lines |= {"logfile": str(self._directory / "log"), **self._config}
        lines |= {f"user {name}": rules for name, rules in self._users.items()}
        (self._directory / "server.conf").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))

    def _start(self) -> None:
        command = [str(self._program), str(self._directory / "server.conf")]
        self._process = GuardedProcess([*command, "--sentinel"] if self._sentinel else command, self._directory)
        until(self._answers, START, f"a Redis server at port {self.port} that answers")

    def _answers(self) -> bool:
        if not self.alive:
            raise RuntimeError(f"the server ended at its start:\n{self.log[-2000:]}")
        try:
            return bool(self.command("PING") == "PONG")
        except (OSError, hiredis.ReplyError):
            return False  # not listening yet, or still loading its data
