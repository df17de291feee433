"""Connections to the server, each used by one call at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import asyncpg

from asyncq.drivers.postgres.faults import FAILURES, ends_session
from asyncq.drivers.postgres.options import Options
from asyncq.errors import NotOpen

__all__ = ["Connection", "Connections", "connect"]

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
CLOSING: Final = 5.0
"""Seconds for a connection to stop what still runs on it, and to close."""
_log = logging.getLogger("asyncq.postgres")


async def connect(options: Options, dsn: str | None = None) -> Connection:
    """Open one connection; raises what asyncpg raises."""
    return await asyncpg.connect(
        dsn or options.dsn,
        timeout=options.timeout,
        command_timeout=options.timeout,
        server_settings={} if "application_name=" in options.dsn else {"application_name": "asyncq"},
        # A pooler of transactions gives each call another connection, which does not know what was prepared here.
        statement_cache_size=0 if options.pooled and dsn is None else 200,
    )


class Connections:
    """As many as are in use at once, up to a limit.

    Not asyncpg's pool: it runs a task and a round trip to clean up after each call, where ours leave nothing behind.
    After a call that failed on its way, or was cancelled, the connection is closed and never used again: nobody knows
    what its next answer would belong to.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._free: list[Connection] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._open = False

    def open(self) -> None:
        """Take calls from here on; the first one opens a connection."""
        self._room = asyncio.Semaphore(self._options.pool)
        self._open = True

    async def fetch(self, statement: str, values: Sequence[Any], more: float = 0.0) -> list[Any]:
        """Run one statement, which may take so many seconds more, and return its rows; raises what asyncpg raises."""
        self._check_open()
        async with self._room:
            connection = await self._taken()
            try:
                rows: list[Any] = await connection.fetch(statement, *values, timeout=self._options.timeout + more)
            except asyncpg.PostgresError as error:
                (self._discard if ends_session(error) else self._give_back)(connection)
                raise
            except BaseException:
                self._discard(connection)
                raise
            self._give_back(connection)
            return rows

    async def script(self, statements: Sequence[str]) -> None:
        """Run statements without values in one transaction; raises what asyncpg raises."""
        self._check_open()
        async with self._room:
            connection = await self._taken()
            try:
                await connection.execute(";\n".join(statements), timeout=60.0)
            finally:
                self._discard(connection)

    async def close(self) -> None:
        """Close all that lie free, and wait for those that are on their way out."""
        self._open = False
        while self._free:
            self._discard(self._free.pop())
        while self._closing:
            await asyncio.wait(self._closing)

    def _check_open(self) -> None:
        if not self._open:
            raise NotOpen("the PostgreSQL driver is not open")

    async def _taken(self) -> Connection:
        while self._free:
            connection = self._free.pop()
            if not connection.is_closed():
                return connection
        return await self._opened()

    async def _opened(self) -> Connection:
        """Open one in a task of its own: a connection that is given up half open would stay so."""
        task = asyncio.get_running_loop().create_task(connect(self._options))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._keep(asyncio.get_running_loop().create_task(self._put_by(task)))
            raise

    async def _put_by(self, opening: asyncio.Task[Connection]) -> None:
        """Lay a connection that nobody waits for any more to the free ones."""
        try:
            self._give_back(await opening)
        except FAILURES as error:
            _log.debug("a connection that nobody waited for any more was not made: %s", error)

    def _give_back(self, connection: Connection) -> None:
        if self._open and not connection.is_closed():
            self._free.append(connection)
        else:
            self._discard(connection)

    def _discard(self, connection: Connection) -> None:
        """Close it. A call that was cancelled may still run there: to close tells the server to stop it, and waits."""
        if connection.is_closed():
            return
        self._keep(asyncio.get_running_loop().create_task(_close(connection)))

    def _keep(self, task: asyncio.Task[None]) -> None:
        """Hold a task until it is done; `close` waits for it."""
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


async def _close(connection: Connection) -> None:
    try:
        await connection.close(timeout=CLOSING)
    except FAILURES as error:
        _log.debug("a connection did not close: %s", error)
        connection.terminate()
