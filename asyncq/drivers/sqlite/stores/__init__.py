"""The stores that the SQLite driver brings, all in its file."""

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.stores.batches import SqliteBatches
from asyncq.drivers.sqlite.stores.failed import SqliteFailed
from asyncq.drivers.sqlite.stores.funnels import SqliteFunnels
from asyncq.drivers.sqlite.stores.limits import SqliteLimits
from asyncq.drivers.sqlite.stores.locks import SqliteLocks
from asyncq.drivers.sqlite.stores.outbox import SqliteOutbox
from asyncq.drivers.sqlite.stores.results import SqliteResults
from asyncq.drivers.sqlite.stores.signals import SqliteSignals
from asyncq.stores import Stores

__all__ = ["stores_of"]


def stores_of(database: Database) -> Stores:
    """Make the stores of one file."""
    return Stores(
        locks=SqliteLocks(database),
        limits=SqliteLimits(database),
        funnels=SqliteFunnels(database),
        batches=SqliteBatches(database),
        failed=SqliteFailed(database),
        signals=SqliteSignals(database),
        results=SqliteResults(database),
        outbox=SqliteOutbox(database),
    )
