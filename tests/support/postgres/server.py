"""One private PostgreSQL server."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_port
from tests.support.postgres.binaries import Flavour, require
from tests.support.postgres.template import SUPERUSER, new_data
from tests.support.postgres.wire import Row, ServerError, call
from tests.support.processes import GuardedProcess
from tests.support.unprivileged import give_away, unprivileged
from tests.support.waiting import until

__all__ = ["PostgresServer"]

START = 30.0
"""Seconds that a server has to answer; machines pause, and a killed one reads its journal first."""

_CONFIG = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "deadlock_timeout": "200ms",
    "jit": "off",
    "log_line_prefix": "%m [%p] %u@%d ",
    # A file in the data directory, which is removed with it: what is killed does not remove its memory by itself.
    "dynamic_shared_memory_type": "mmap",
}
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class PostgresServer:
    """A server on a free port of 127.0.0.1 and on a unix socket; it runs inside `with`, and has no data at first.

    `persistent` writes each commit to disk before it is answered. `config` is any line of its `postgresql.conf`.
    Everybody may enter without a password.
    """

    def __init__(
        self, flavour: Flavour = "any", *, persistent: bool = False, config: Mapping[str, str] | None = None
    ) -> None:
        self.flavour: Flavour = flavour
        self.port = 0
        self._directory = Path()
        self._process: GuardedProcess | None = None
        self._config = _CONFIG | ({} if persistent else _HASTY) | dict(config or {})

    # --- life ---------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        # Short on purpose: the path of a unix socket has at most 107 bytes.
        self._binaries = require(self.flavour)
        self._directory = Path(tempfile.mkdtemp(prefix="aq-"))
        try:
            give_away(self._directory)
            new_data(self._binaries, self._data)
            self._start_somewhere()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        self._forget_memory()
        shutil.rmtree(self._directory, ignore_errors=True)

    def kill(self) -> None:
        """End it and all its sessions as `kill -9` does; nothing happens if it does not run."""
        if self._process is not None:
            self._process.kill()

    def stop(self) -> None:
        """End it as a restart by its owner does: sessions are told so (57P01), what was committed is on disk."""
        self._running.thaw()
        self._running.stop(signal.SIGINT, START)

    def restart(self) -> None:
        """Start it again on its port and with its data; ends it first as `kill` does if it runs."""
        self.kill()
        self._start()

    def freeze(self) -> None:
        """Let it and its sessions stand still: connections stay open, nothing is answered."""
        self._running.freeze()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        self._running.thaw()

    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        """The server's first process, which has one below it for each session."""
        return self._running.pid

    @property
    def alive(self) -> bool:
        """Whether its first process runs, or is frozen."""
        return self._process is not None and self._process.alive

    @property
    def socket(self) -> Path:
        """Its unix socket."""
        return self._directory / f".s.PGSQL.{self.port}"

    @property
    def log(self) -> str:
        """What it has written so far."""
        path = self._directory / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def url(self) -> str:
        """`postgresql://postgres@127.0.0.1:PORT/postgres`."""
        return self._url("postgres")

    def database(self, name: str) -> str:
        """Create an empty database, and return its URL; blocks."""
        self.command(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def command(self, sql: str, *, database: str = "postgres", user: str = SUPERUSER) -> list[Row]:
        """Run statements on a connection of their own and return the rows of the last; blocks."""
        return call(self.socket, sql, user=user, database=database)

    # --- starting -----------------------------------------------------------------------------------------------------

    @property
    def _running(self) -> GuardedProcess:
        assert self._process is not None, "the server runs only inside `with`"
        return self._process

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _url(self, database: str) -> str:
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{database}"

    def _start_somewhere(self) -> None:
        """Start on a free port; somebody may take it between the look and the start."""
        for attempts_left in reversed(range(5)):
            self.port = free_port()
            try:
                self._start()
            except RuntimeError:
                if not attempts_left or "ddress already in use" not in self.log:
                    raise
            else:
                return

    def _start(self) -> None:
        places = {"port": str(self.port), "unix_socket_directories": str(self._directory)}
        settings = [f"--{name}={value}" for name, value in (self._config | places).items()]
        server = unprivileged([str(self._binaries / "postgres"), "-D", str(self._data), *settings])
        # It writes to its standard error; the guard that starts it has none.
        into_log = ["/bin/sh", "-c", 'log=$1; shift; exec "$@" 2>>"$log"', "log", str(self._directory / "log")]
        self._process = GuardedProcess([*into_log, *server], self._directory)
        until(self._answers, START, f"a PostgreSQL server at port {self.port} that answers")

    def _answers(self) -> bool:
        if not self.alive:
            raise RuntimeError(f"the server ended at its start:\n{self.log[-2000:]}")
        try:
            return self.command("SELECT 1") == [(1,)]
        except (OSError, ServerError):
            return False  # not listening yet, or still reading its journal

    def _forget_memory(self) -> None:
        """Remove the piece of System V memory by which a data directory is claimed: who is killed leaves it behind."""
        lines = (self._data / "postmaster.pid").read_text().splitlines() if self._has_claim() else []
        if len(lines) > 6:
            segment = lines[6].split()[-1]
            subprocess.run(["ipcrm", "-m", segment], capture_output=True, check=False)

    def _has_claim(self) -> bool:
        return (self._data / "postmaster.pid").exists()
