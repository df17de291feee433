"""A private PgBouncer before a PostgreSQL server."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tests.support.postgres.server import PostgresServer
from tests.support.postgres.template import SUPERUSER
from tests.support.postgres.wire import Row, ServerError, call
from tests.support.private import PrivateServer
from tests.support.root import ROOT
from tests.support.servers import unavailable
from tests.support.unprivileged import give_away, unprivileged

__all__ = ["PgBouncer"]

_UNPACKED = ROOT / ".servers" / "deb"


class PgBouncer(PrivateServer):
    """Hands on to a server with `pool_size` connections for each pair of database and user.

    By `mode` a client keeps its connection to the server for a `transaction`, or for its `session`. `users` are the
    roles that may enter, none of them with a password.
    """

    kind = "a PgBouncer"

    def __init__(
        self,
        server: PostgresServer,
        *,
        pool_size: int = 2,
        mode: Literal["transaction", "session"] = "transaction",
        users: Sequence[str] = (SUPERUSER,),
    ) -> None:
        super().__init__()
        self._server = server
        self._users = users
        self._config = {
            "pool_mode": mode,
            "default_pool_size": str(pool_size),
            "max_client_conn": "500",
            "auth_type": "trust",
            "admin_users": SUPERUSER,
            "listen_addr": "127.0.0.1",
        }

    @property
    def url(self) -> str:
        """`postgresql://postgres@127.0.0.1:PORT/postgres`."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def command(self, sql: str) -> list[Row]:
        """Give its console a command, such as `SHOW POOLS` or `PAUSE`; blocks."""
        return call(("127.0.0.1", self.port), sql, user=SUPERUSER, database="pgbouncer")

    def _prepare(self) -> None:
        self._program = _require()
        users = "".join(f'"{user}" ""\n' for user in self._users)
        (self._directory / "users").write_text(users)
        give_away(self._directory)

    def _configure(self) -> None:
        places = {"listen_port": str(self.port), "unix_socket_dir": str(self._directory)}
        places |= {"auth_file": str(self._directory / "users"), "logfile": str(self._log)}
        settings = "".join(f"{name} = {value}\n" for name, value in (self._config | places).items())
        database = f"* = host=127.0.0.1 port={self._server.port}"
        (self._directory / "pgbouncer.ini").write_text(f"[databases]\n{database}\n\n[pgbouncer]\n{settings}")

    def _command(self) -> list[str]:
        return unprivileged([*self._program, "--quiet", str(self._directory / "pgbouncer.ini")])

    def _answers(self) -> bool:
        try:
            return bool(self.command("SHOW VERSION"))
        except (OSError, ServerError):
            return False  # not listening yet


def _require() -> list[str]:
    """Find the program on PATH or unpacked in `.servers`; where there is none the test is skipped, in CI it fails."""
    return next(filter(_works, [_on_path(), _unpacked()]), None) or unavailable(
        "PgBouncer", "not on PATH, not in .servers (try: make servers; it needs apt-get)"
    )


def _works(command: list[str]) -> bool:
    """Whether it is there with all its libraries."""
    return bool(command) and subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0


def _on_path() -> list[str]:
    found = shutil.which("pgbouncer")
    return [found] if found else []


def _unpacked() -> list[str]:
    """The command with the libraries that were unpacked beside it."""
    program = _UNPACKED / "usr" / "sbin" / "pgbouncer"
    libraries = ":".join(str(folder) for folder in sorted(Path(_UNPACKED / "usr" / "lib").glob("*-linux-gnu*")))
    return ["env", f"LD_LIBRARY_PATH={libraries}", str(program)] if program.exists() else []
