"""How each Redis server starts that all tests of one process share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack

from tests.support.redis.cluster import RedisCluster
from tests.support.redis.sentinel import RedisSentinel
from tests.support.redis.server import RedisServer

__all__ = ["OWN_URL", "SECRET", "STARTS", "USER"]

OWN_URL = "ASYNCQ_TEST_REDIS_URL"
"""Environment variable with a server of the user's own, without a query; each test writes below a prefix of its own."""

USER = "worker"
SECRET = "secret"  # noqa: S105 - of a server that lives as long as the tests
# No command that looks at or changes the server as a whole, and no key that does not begin as every prefix here does.
KEYS = "~acl-* &acl-*"
COMMANDS = "-@all +@read +@write +@connection +@transaction +@scripting +@pubsub -@dangerous +time"


def _one(stack: ExitStack) -> str:
    return os.environ.get(OWN_URL) or stack.enter_context(RedisServer()).url


def _guarded(stack: ExitStack) -> str:
    """A server that lets nobody in without a password, and our user do only what a queue needs."""
    users = {USER: f"on >{SECRET} {KEYS} {COMMANDS}"}
    server = stack.enter_context(RedisServer(password=SECRET, users=users))
    return f"redis://{USER}:{SECRET}@127.0.0.1:{server.port}/0"


STARTS: dict[str, Callable[[ExitStack], str]] = {
    "redis": _one,
    "redis-acl": _guarded,
    "redis-cluster": lambda stack: stack.enter_context(RedisCluster()).url,
    "redis-sentinel": lambda stack: stack.enter_context(RedisSentinel()).url,
}
"""Each puts what it starts on a stack, and answers its URL without a query."""
