"""Servers that all tests of one process share: each test takes a prefix of its own, nobody flushes."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from tests.support.redis.cluster import RedisCluster
from tests.support.redis.sentinel import RedisSentinel
from tests.support.redis.server import RedisServer

__all__ = ["OWN_URL", "Shared"]

OWN_URL = "ASYNCQ_TEST_REDIS_URL"
"""Environment variable with a server of the user's own, without a query; each test writes below a prefix of its own."""

USER = "worker"
SECRET = "secret"  # noqa: S105 - of a server that lives as long as the tests
# No command that looks at or changes the server as a whole, and no key that does not begin as every prefix here does.
KEYS = "~acl-* &acl-*"
COMMANDS = "-@all +@read +@write +@connection +@transaction +@scripting +@pubsub -@dangerous +time"


class Shared:
    """Starts a server when the first test asks for it; all end with the `with` block."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._stack = ExitStack()
        self._starts: dict[str, Callable[[], str]] = {
            "redis": self._start_one,
            "redis-acl": self._start_guarded,
            "redis-cluster": lambda: self._stack.enter_context(RedisCluster()).url,
            "redis-sentinel": lambda: self._stack.enter_context(RedisSentinel()).url,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def url(self, server: str) -> str:
        """Where a server is, by its name; it has no query, so that `?prefix=` can follow."""
        if server not in self._urls:
            self._urls[server] = self._starts[server]()
        return self._urls[server]

    def _start_one(self) -> str:
        return os.environ.get(OWN_URL) or self._stack.enter_context(RedisServer()).url

    def _start_guarded(self) -> str:
        """A server that lets nobody in without a password, and our user do only what a queue needs."""
        users = {USER: f"on >{SECRET} {KEYS} {COMMANDS}"}
        server = self._stack.enter_context(RedisServer(password=SECRET, users=users))
        return f"redis://{USER}:{SECRET}@127.0.0.1:{server.port}/0"
