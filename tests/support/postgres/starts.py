"""How each PostgreSQL server starts that all tests of one process share."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack

from tests.support.postgres.binaries import Flavour
from tests.support.postgres.bouncer import PgBouncer
from tests.support.postgres.grants import granted
from tests.support.postgres.server import PostgresServer

__all__ = ["OWN_URL", "STARTS"]

OWN_URL = "ASYNCQ_TEST_POSTGRES_URL"
"""Environment variable with a server of the user's own, without a query; each test makes a schema of its own there."""


def _one(stack: ExitStack) -> str:
    return os.environ.get(OWN_URL) or stack.enter_context(PostgresServer()).url


def _of(flavour: Flavour) -> Callable[[ExitStack], str]:
    return lambda stack: stack.enter_context(PostgresServer(flavour)).url


def _pooled(stack: ExitStack) -> str:
    """Two connections to the server for all clients, each lent for one transaction."""
    server = stack.enter_context(PostgresServer())
    return stack.enter_context(PgBouncer(server, pool_size=2)).url


def _restricted(stack: ExitStack) -> str:
    """A role that may do what the guide says, and no more, with tables that are there already."""
    return granted(stack.enter_context(PostgresServer(password="owner")))  # noqa: S106


STARTS: dict[str, Callable[[ExitStack], str]] = {
    "postgres": _one,
    "postgres-15": _of("15"),
    "postgres-16": _of("16"),
    "postgres-17": _of("17"),
    "postgres-18": _of("18"),
    "postgres-bouncer": _pooled,
    "postgres-role": _restricted,
}
"""Each puts what it starts on a stack, and answers its URL without a query."""
