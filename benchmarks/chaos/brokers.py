"""The broker of a run: a file of its own, a private server, or one that is there already."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.chaos.history import Log
from benchmarks.chaos.options import Options
from tests.support.redis import RedisServer
from tests.support.redis.binaries import find

__all__ = ["Server", "opened"]


class Server:
    """A private server that can be killed; what it has answered is on the disk by then (`appendfsync always`)."""

    def __init__(self, redis: RedisServer, log: Log) -> None:
        self._redis = redis
        self._log = log

    def strike(self) -> None:
        """Kill it with SIGKILL, and start it again on its port at once."""
        self._log.write("struck", "server")
        self._redis.restart()
        self._log.write("back", "server")


@contextmanager
def opened(options: Options, folder: Path, log: Log, *, durable: bool) -> Generator[tuple[str, Server | None]]:
    """Give a URL while the block lasts, and the server behind it where that is ours; `durable` bears its death."""
    if options.url:
        yield options.url, None
    elif options.broker == "redis":
        if find() is None:
            sys.exit("no Redis server on PATH or in .servers; try: make servers")
        with RedisServer(persistent=durable) as redis:
            yield f"{redis.url}?prefix=chaos", Server(redis, log)
    else:
        yield f"sqlite:///{folder.absolute()}/queue.db", None
