"""Private Redis servers for tests."""

from tests.support.redis.cluster import RedisCluster
from tests.support.redis.sentinel import RedisSentinel
from tests.support.redis.server import RedisServer

__all__ = ["RedisCluster", "RedisSentinel", "RedisServer"]
