"""The embedded broker: one SQLite file, shared by all processes of one host."""

from asyncq.drivers.sqlite.driver import SqliteDriver

__all__ = ["SqliteDriver"]
