"""Private PostgreSQL servers for tests, and PgBouncer before them."""

from tests.support.postgres.bouncer import PgBouncer
from tests.support.postgres.server import PostgresServer

__all__ = ["PgBouncer", "PostgresServer"]
