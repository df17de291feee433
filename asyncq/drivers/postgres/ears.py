"""Hears of changes: one connection that listens, and who waits in this process, by topic.

What it hears is a hint: who waits looks into the tables before, after, and now and then between.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final

from asyncq.drivers.postgres.connections import Connection, connect
from asyncq.drivers.postgres.faults import FAILURES
from asyncq.drivers.postgres.heads import Heads
from asyncq.drivers.postgres.options import Options

__all__ = ["Ears"]

AGAIN: Final = 5.0
"""Seconds until the next try after one to listen failed."""
_log = logging.getLogger("asyncq.postgres")


class Ears:
    """A topic is `q:` and a queue, `r:` and the id of a result, `s:` and a flag, or `o:` for the outbox.

    `h:` is a queue too, in which a job may have come before those that were seen last.
    """

    def __init__(self, options: Options, heads: Heads) -> None:
        self._options = options
        self._heads = heads
        self._channel = f'"{options.schema}".bell'
        self._waiters: dict[asyncio.Event, frozenset[str]] = {}
        self._connection: Connection | None = None
        self._opening: asyncio.Task[None] | None = None
        self._deaf_until = 0.0
        self._told = False

    @contextmanager
    def listening(self, topics: Iterable[str]) -> Generator[asyncio.Event]:
        """Be called at one of the topics: the event is set then."""
        event = asyncio.Event()
        self._waiters[event] = frozenset(topics)
        try:
            yield event
        finally:
            del self._waiters[event]

    async def hears(self) -> bool:
        """Listen, if that is not so yet; False where nothing can be heard now."""
        if self._options.listen is None:
            return False
        if not self._open and self._opening is None and time.monotonic() >= self._deaf_until:
            # In a task of its own, which all who wait share: to give up half open would leave it so.
            self._opening = asyncio.get_running_loop().create_task(self._listen(self._options.listen))
        if self._opening is not None:
            await asyncio.shield(self._opening)
        return self._open

    @property
    def _open(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    def ring(self, topics: Collection[str]) -> bool:
        """Call those of this process; False where nobody waits for any of these."""
        self._heads.forget(topic[2:] for topic in topics if topic.startswith("h:"))
        called = [event for event, wanted in self._waiters.items() if not wanted.isdisjoint(topics)]
        for event in called:
            event.set()
        return bool(called)

    async def close(self) -> None:
        """Hear nothing any more, and wake everybody."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        connection, self._connection = self._connection, None
        self._wake()
        if connection is not None and not connection.is_closed():
            connection.remove_termination_listener(self._wake)
            try:
                await connection.close(timeout=1.0)
            except FAILURES:
                connection.terminate()

    async def _listen(self, dsn: str) -> None:
        connection: Connection | None = None
        try:
            connection = await connect(self._options, dsn)
            await connection.add_listener(self._channel, self._hear)
            connection.add_termination_listener(self._wake)
            self._connection, self._told = connection, False
        except FAILURES as error:
            self._deaf_until = time.monotonic() + AGAIN
            self._tell(error)
            if connection is not None:
                connection.terminate()
        finally:
            self._opening = None

    def _tell(self, error: Exception) -> None:
        tell = _log.debug if self._told else _log.warning
        where, poll = self._options.where, self._options.poll
        tell("%s: cannot listen for new jobs (%s); looks every %g s instead", where, error, poll)
        self._told = True

    def _hear(self, _connection: Any, _pid: int, _channel: str, topic: object) -> None:
        self.ring((str(topic),))

    def _wake(self, *_: Any) -> None:
        """What was told while nobody listened is missed."""
        for event in self._waiters:
            event.set()
