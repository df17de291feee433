"""The proxy before a PostgreSQL server."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.postgres.dialogue import PostgresDialogue
from tests.support.postgres.template import SUPERUSER
from tests.support.proxy import Command, FaultProxy

__all__ = ["PostgresProxy", "running"]


class PostgresProxy(FaultProxy):
    """Fails at what a client sends in one piece and waits for: a simple query, or messages up to Sync or Flush.

    A command is the letters of its messages, then the statements that they name: `(b"BES", b"SELECT 1")` runs one that
    was prepared, `(b"PDH", b"SELECT 1")` prepares it, `(b"Q", b"COMMIT;")` is a simple query. Before those come
    `(b"ssl",)`, `(b"startup",)` and `(b"p",)`, a password. Connections are not encrypted.
    """

    @property
    def url(self) -> str:
        """`postgresql://postgres@127.0.0.1:PORT/postgres`."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/postgres"

    def dialogue(self) -> PostgresDialogue:
        """Begin to listen to one connection."""
        return PostgresDialogue()


def running(part: str) -> Callable[[Command], bool]:
    """Match the commands that run a statement with this in its text; what only prepares it does not match."""

    def matches(command: Command) -> bool:
        letters, *statements = command
        begun = b"E" in letters or b"Q" in letters
        return begun and any(part.casefold().encode() in statement.lower() for statement in statements)

    return matches
