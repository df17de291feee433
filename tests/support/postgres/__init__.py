"""Private PostgreSQL servers for tests, and what stands before them: PgBouncer, and a proxy that fails."""

from tests.support.postgres.bouncer import PgBouncer
from tests.support.postgres.proxy import PostgresProxy
from tests.support.postgres.server import PostgresServer

__all__ = ["PgBouncer", "PostgresProxy", "PostgresServer"]
