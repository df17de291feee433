"""Private Redis servers for tests."""

from tests.support.redis.server import RedisServer

__all__ = ["RedisServer"]
