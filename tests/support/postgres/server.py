"""One private PostgreSQL server."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path

from tests.support.postgres.binaries import Flavour, require
from tests.support.postgres.template import SUPERUSER, new_data
from tests.support.postgres.wire import Row, ServerError, call
from tests.support.private import START, PrivateServer
from tests.support.unprivileged import give_away, unprivileged

__all__ = ["PostgresServer"]

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
_HASTY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
# The piece of System V memory by which a data directory is claimed: its number stands in the seventh line of that file.
_FORGET = 'set -- $(sed -n 7p data/postmaster.pid 2>/dev/null); [ -z "$2" ] || ipcrm -m "$2"'


class PostgresServer(PrivateServer):
    """A server on a free port of 127.0.0.1 and on a unix socket; it runs inside `with`, and has no data at first.

    `persistent` writes each commit to disk before it is answered. `config` is any line of its `postgresql.conf`. With a
    `password` nobody enters without one by TCP, and the superuser has this one.
    """

    kind = "a PostgreSQL server"
    farewell = _FORGET

    def __init__(
        self,
        flavour: Flavour = "any",
        *,
        persistent: bool = False,
        password: str | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.flavour: Flavour = flavour
        self.password = password
        self.in_memory = not persistent
        self._config = _CONFIG | ({} if persistent else _HASTY) | dict(config or {})

    def stop(self) -> None:
        """End it as its owner does for a restart: sessions are told so (57P01), what was committed is on disk."""
        self._running.thaw()
        self._running.stop(signal.SIGINT, START)

    def stand_by(self) -> None:
        """Be a replica that follows nobody, from the next start until it is promoted."""
        (self._data / "standby.signal").touch()
        give_away(self._data)

    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def socket(self) -> Path:
        """Its unix socket, where nobody needs a password; clients are told the folder that it is in."""
        return self._directory / f".s.PGSQL.{self.port}"

    @property
    def url(self) -> str:
        """`postgresql://postgres@127.0.0.1:PORT/postgres`, with the password if there is one."""
        return self._url("postgres")

    def database(self, name: str) -> str:
        """Create an empty database, and return its URL; blocks."""
        self.command(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def command(self, sql: str, *, database: str = "postgres", user: str = SUPERUSER) -> list[Row]:
        """Run statements on a connection of their own and return the rows of the last; blocks.

        Raises:
            ServerError: the server refuses; its `code` is the SQLSTATE.
        """
        return call(self.socket, sql, user=user, database=database)

    def _url(self, database: str) -> str:
        secret = f":{self.password}" if self.password else ""
        return f"postgresql://{SUPERUSER}{secret}@127.0.0.1:{self.port}/{database}"

    # --- starting -----------------------------------------------------------------------------------------------------

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _prepare(self) -> None:
        self._binaries = require(self.flavour)
        give_away(self._directory)
        new_data(self._binaries, self._data)
        method = "scram-sha-256" if self.password else "trust"
        (self._data / "pg_hba.conf").write_text(f"local all all trust\nhost all all 127.0.0.1/32 {method}\n")

    def _configure(self) -> None:
        places = {"port": str(self.port), "unix_socket_directories": str(self._directory)}
        lines = [f"{name} = '{value}'\n" for name, value in (self._config | places).items()]
        (self._data / "postgresql.conf").write_text("".join(lines))

    def _command(self) -> list[str]:
        server = unprivileged([str(self._binaries / "postgres"), "-D", str(self._data)])
        # It writes to its standard error; who starts it has none.
        return ["/bin/sh", "-c", 'log=$1; shift; exec "$@" 2>>"$log"', "log", str(self._log), *server]

    def _answers(self) -> bool:
        try:
            if self.password:
                self.command(f"ALTER ROLE {SUPERUSER} PASSWORD '{self.password}'")
            return self.command("SELECT 1") == [(1,)]
        except (OSError, ServerError):
            return False  # not listening yet, or still reading its journal
