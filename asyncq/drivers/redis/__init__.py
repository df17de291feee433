"""The broker on Redis or Valkey: one server, a cluster, or one behind Sentinel."""

from asyncq.drivers.redis.driver import RedisDriver

__all__ = ["RedisDriver"]
