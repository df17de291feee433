"""Private PostgreSQL servers for tests."""

from tests.support.postgres.server import PostgresServer

__all__ = ["PostgresServer"]
