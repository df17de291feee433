"""Tables that the tests of one process use one after another: to empty them is quicker than to make them anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final
from uuid import uuid4

import asyncpg

from asyncq.config import Connection
from tests.support.installing import install

__all__ = ["Tables"]

EMPTYING: Final = 30.0
"""Seconds; a transaction that a test left open would hold it up for ever."""


class Tables:
    """The tables of one schema of a server, whose URL has no query.

    `place` tells the URL of a connection by the name of its schema.
    """

    def __init__(self, server: str, place: Callable[[str], str]) -> None:
        self._server = server
        self.url = place(uuid4().hex)
        self._schema = Connection(self.url).settings("main").prefix
        _run(install(self.url))

    def empty(self) -> None:
        """Forget all that the tests before have left there."""
        _run(self._sweep())

    def drop(self) -> None:
        """Leave nothing on a server that lives on."""
        _run(self._drop())

    async def _sweep(self) -> None:
        connection = await self._connected()
        try:
            found = await connection.fetch(_ALL, self._schema)
            await connection.execute(";".join(f"DELETE FROM {table}" for (table,) in found))  # noqa: S608
        finally:
            await connection.close()

    async def _drop(self) -> None:
        connection = await self._connected()
        try:
            await connection.execute(f'DROP SCHEMA "{self._schema}" CASCADE')
        finally:
            await connection.close()

    async def _connected(self) -> asyncpg.Connection[asyncpg.Record]:
        return await asyncpg.connect(self._server, statement_cache_size=0, command_timeout=EMPTYING)


_ALL = """
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'meta'
"""


def _run(call: Coroutine[Any, Any, None]) -> None:
    # A loop of its own that is never the one of this thread: tests have theirs.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(call)
