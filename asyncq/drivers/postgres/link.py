"""The way to the server: calls that are tried again where they were lost, or another transaction was in their way."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from asyncq.drivers.postgres.connections import Connections
from asyncq.drivers.postgres.faults import FAILURES, conflict, passing, ran_already, translate
from asyncq.drivers.postgres.options import Options
from asyncq.drivers.postgres.schema import Sql
from asyncq.ids import new_id

__all__ = ["Link", "Told"]

T = TypeVar("T")
SLOWEST: Final = 0.5
"""Longest pause between two tries, in seconds."""
_log = logging.getLogger("asyncq.postgres")


class Told(Exception):
    """A call ran before, when its answer was lost; `answer` is what the server kept of it."""

    def __init__(self, answer: str | None) -> None:
        super().__init__(answer)
        self.answer = answer


class Link:
    """Runs statements by their names, each a transaction of its own."""

    def __init__(self, options: Options, sql: Sql) -> None:
        self.options = options
        self.sql = sql
        self._connections = Connections(options)

    def open(self) -> None:
        """Take calls from here on."""
        self._connections.open()

    async def run(self, name: str, *values: Any) -> list[Any]:
        """Run a statement that a repeat does no harm to; returns its rows.

        Raises:
            DriverError: the server refused it, or cannot be reached.
            ConfigError: the server refuses this user.
        """
        statement = self.sql[name]
        return await self._fetch(statement, statement, values)

    async def call(self, name: str, *values: Any, more: float = 0.0) -> Any:
        """Run a statement whose first value names its operation, and return its first row; raises as `run` does.

        It may take so many seconds `more` than others.

        Raises:
            Told: an earlier try ran.
        """
        try:
            return (await self._fetch(self.sql[name], self.sql.again(name), values, more))[0]
        except _Ran:
            raise Told((await self.run("op", values[0]))[0][0]) from None

    async def once(self, name: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a statement that must not run twice; a repeat gets the rows of the first run. Raises as `run` does.

        Its rows hold texts, numbers and truth values.
        """
        op = new_id()
        first, again = (self.sql.once(name, len(values), again=again) for again in (False, True))
        try:
            rows = await self._fetch(first, again, (*values, op))
        except _Ran:
            answer = (await self.run("op", op))[0][0]
            return [tuple(row.values()) for row in json.loads(answer or "[]")]
        return [tuple(row) for row in rows]

    async def script(self, statements: Sequence[str]) -> None:
        """Run statements in one transaction; raises as `run` does."""
        try:
            await self._connections.script(statements)
        except FAILURES as error:
            await self._again(lambda: self._connections.script(statements), error)

    async def _fetch(self, first: str, again: str, values: Sequence[Any], more: float = 0.0) -> list[Any]:
        """Run a statement; one by which it is sent again stands in for it at all tries but the first."""
        try:
            return await self._connections.fetch(first, values, more)
        except FAILURES as error:
            return await self._again(lambda: self._connections.fetch(again, values, more), error)

    async def _again(self, attempt: Callable[[], Awaitable[T]], error: Exception) -> T:
        """Go on after a first try that failed, until one succeeds, fails for good, or the time for tries is over.

        Kept apart, so that calls that succeed pay nothing for it.
        """
        ends_at, tries = time.monotonic() + self.options.retry_for, 0
        while True:
            tries += 1
            pause = random.uniform(0.0, min(SLOWEST, (0.002 if conflict(error) else 0.02) * 2**tries))
            if ran_already(error):
                raise _Ran from error
            if not passing(error) or time.monotonic() + pause > ends_at:
                raise self.typed(error) from error
            _log.debug("%s: %s (try %d)", self.options.where, error, tries)
            await asyncio.sleep(pause)
            try:
                return await attempt()
            except FAILURES as failed:
                error = failed

    def typed(self, error: BaseException) -> Exception:
        """Return the typed error that says the same as one of asyncpg."""
        return translate(error, self.options.where, self.options.schema)

    async def close(self) -> None:
        """Close the connections."""
        await self._connections.close()


class _Ran(Exception):
    """The operation of a call is known to the server."""
