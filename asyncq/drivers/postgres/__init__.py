"""Jobs in a PostgreSQL database."""

from asyncq.drivers.postgres.driver import PostgresDriver

__all__ = ["PostgresDriver"]
