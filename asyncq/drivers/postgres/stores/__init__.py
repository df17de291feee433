"""The stores that the PostgreSQL driver brings, all in its schema."""

from asyncq.drivers.postgres.ears import Ears
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.ringer import Ringer
from asyncq.drivers.postgres.stores.batches import PostgresBatches
from asyncq.drivers.postgres.stores.failed import PostgresFailed
from asyncq.drivers.postgres.stores.funnels import PostgresFunnels
from asyncq.drivers.postgres.stores.limits import PostgresLimits
from asyncq.drivers.postgres.stores.locks import PostgresLocks
from asyncq.drivers.postgres.stores.outbox import PostgresOutbox
from asyncq.drivers.postgres.stores.results import PostgresResults
from asyncq.drivers.postgres.stores.signals import PostgresSignals
from asyncq.stores import Stores

__all__ = ["stores_of"]


def stores_of(link: Link, ears: Ears, ringer: Ringer) -> Stores:
    """Make the stores of one schema."""
    return Stores(
        locks=PostgresLocks(link),
        limits=PostgresLimits(link),
        funnels=PostgresFunnels(link),
        batches=PostgresBatches(link, ringer),
        failed=PostgresFailed(link),
        signals=PostgresSignals(link, ears, ringer),
        results=PostgresResults(link, ears, ringer),
        outbox=PostgresOutbox(link, ears, ringer),
    )
