"""The stores that the Redis driver brings, all under one hash tag."""

from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.stores.batches import RedisBatches
from asyncq.drivers.redis.stores.failed import RedisFailed
from asyncq.drivers.redis.stores.funnels import RedisFunnels
from asyncq.drivers.redis.stores.limits import RedisLimits
from asyncq.drivers.redis.stores.locks import RedisLocks
from asyncq.drivers.redis.stores.outbox import RedisOutbox
from asyncq.drivers.redis.stores.results import RedisResults
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.drivers.redis.stores.signals import RedisSignals
from asyncq.stores import Stores

__all__ = ["stores_of"]


def stores_of(link: Link, keys: Keys) -> Stores:
    """Make the stores of one connection."""
    shelf = Shelf(link, keys)
    return Stores(
        locks=RedisLocks(shelf),
        limits=RedisLimits(shelf),
        funnels=RedisFunnels(shelf),
        batches=RedisBatches(shelf),
        failed=RedisFailed(shelf),
        signals=RedisSignals(shelf),
        results=RedisResults(shelf),
        outbox=RedisOutbox(shelf),
    )
