"""The broker of a run: a file of its own, a private server, or one that is there already."""

from __future__ import annotations

import asyncio
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos.history import Log
from benchmarks.chaos.options import Options
from tests.support.installing import install
from tests.support.postgres import PostgresServer
from tests.support.postgres import binaries as postgres
from tests.support.private import PrivateServer
from tests.support.redis import RedisServer
from tests.support.redis import binaries as redis

__all__ = ["Server", "opened"]

FORGETFUL = {"wal_writer_delay": "10s", "autovacuum": "off"}
"""How a PostgreSQL server without a disk keeps its last seconds in memory."""
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'asyncq' ORDER BY state, pid"


class Server(ABC):
    """A private server that can be hurt; what it has answered is on the disk by then, unless it is to forget."""

    def __init__(self, server: PrivateServer, log: Log) -> None:
        self._server = server
        self._log = log

    def strike(self, dice: random.Random) -> None:
        """End it, and start it again on its port at once."""
        self._log.write("struck", "server")
        self._fall(dice)
        self._server.restart()
        self._log.write("back", "server")

    def _fall(self, dice: random.Random) -> None:
        """Let it end in some way."""
        self._server.kill()

    @abstractmethod
    def cut(self, dice: random.Random) -> None:
        """Break something between it and one of its clients."""


class _Redis(Server):
    def cut(self, dice: random.Random) -> None:
        raise NotImplementedError("nobody cuts the connections of Redis")


class _Postgres(Server):
    def __init__(self, server: PostgresServer, log: Log) -> None:
        super().__init__(server, log)
        self._postgres = server

    def _fall(self, dice: random.Random) -> None:
        """Stop it half of the times as its owner does for a restart."""
        if dice.random() < 0.5:
            self._postgres.stop()
        else:
            super()._fall(dice)

    def cut(self, dice: random.Random) -> None:
        """End a session, or the statement that it runs."""
        how = dice.choice(("terminate", "terminate", "cancel"))
        if sessions := self._postgres.command(SESSIONS):
            self._log.write("cut", "server", detail=how)
            self._postgres.command(f"SELECT pg_{how}_backend({dice.choice(sessions)[0]})")


@contextmanager
def opened(options: Options, folder: Path, log: Log, *, durable: bool) -> Generator[tuple[str, Server | None]]:
    """Give a URL while the block lasts, and the server behind it where that is ours; `durable` bears its death."""
    if options.url:
        yield options.url, None
    elif options.broker == "redis":
        _look_for("Redis", there=redis.find() is not None)
        with RedisServer(persistent=durable) as server:
            yield f"{server.url}?prefix=chaos", _Redis(server, log)
    elif options.broker == "postgres":
        _look_for("PostgreSQL", there=postgres.find() is not None)
        with PostgresServer(persistent=durable, config=None if durable else FORGETFUL) as server:
            url = f"{server.url}?prefix=chaos"
            asyncio.run(install(url))
            server.command("CHECKPOINT")  # nobody forgets the tables
            yield url, _Postgres(server, log)
    else:
        yield f"sqlite:///{folder.absolute()}/queue.db", None


def _look_for(server: str, *, there: bool) -> None:
    if not there:
        sys.exit(f"no {server} server on PATH or in .servers; try: make servers")
