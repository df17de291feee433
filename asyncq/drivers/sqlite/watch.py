"""Waiting for a change, of this process or of another one, without a call to the writer's thread."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

from asyncq.clock import until_beat
from asyncq.drivers.sqlite.bell import Bell
from asyncq.drivers.sqlite.faults import broken, translate
from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.leases import ahead, names
from asyncq.drivers.sqlite.options import Options
from asyncq.drivers.sqlite.schema import connect, identity
from asyncq.drivers.sqlite.step import Step
from asyncq.drivers.sqlite.transaction import Home
from asyncq.errors import BrokerUnavailable, NotOpen

__all__ = ["Watch"]

FIRST_LOOK = 0.02
"""Seconds until the next look at the file, just after something changed."""
LAST_LOOK = 0.5
"""Seconds between looks when nothing changes; the promise `Traits.wake_latency` rests on it."""
_SHORTEST = 0.001
"""Least pause, so that a turnable clock that stands just before an instant is not asked without end."""

T = TypeVar("T")
_Sight = tuple[tuple[str, ...], int | None]
"""What a wait was for, and what its last look found."""
Look = Callable[[Step], int | None]
"""Returns the instant at which the wait is over as far as the file tells, or None."""


class Watch:
    """A connection of its own that asks the file whether anything changed (`PRAGMA data_version`, 5 µs).

    It is used in the loop's thread: it never waits for a lock, and reads an index entry or two only after a change.
    """

    def __init__(self, options: Options, home: Home, bell: Bell) -> None:
        self._options = options
        self._home = home
        self._bell = bell
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._open = False
        self._seen: _Sight | None = None
        self._calm = FIRST_LOOK
        """The interval that the last wait came to; the next one goes on with it, if it sees what that one saw."""

    def open(self) -> None:
        """Let waits begin."""
        self._open = True

    def close(self) -> None:
        """End all waits and close the connection."""
        self._open = False
        self._bell.ring_all()
        self._drop()

    async def ready(self, queues: Sequence[str], timeout: float) -> None:
        """Return when a job of these queues may be reserved, or after `timeout` seconds."""
        asked = names(tuple(queues))
        await self.until(lambda step: _soonest(step, asked), queues, timeout)

    def read(self, work: Callable[[Step], T]) -> T:
        """Read an index entry or two at once, in the loop's thread.

        Raises:
            sqlite3.Error: the file cannot be read now.
            NotOpen: the driver is closed.
        """
        if not self._open:
            raise NotOpen("the SQLite driver is not open")
        connection = self._connected()
        return work(Step(connection, self._home.sql, self._home.instants.now()))

    def state(self) -> object:
        """Return what differs after each commit of anybody; None where the file cannot be asked now."""
        try:
            return (self._version(self._connected()), self._identity) if self._open else None
        except (sqlite3.Error, BrokerUnavailable):
            return None

    async def until(self, look: Look, topics: Sequence[str], timeout: float, *, seldom: bool = False) -> bool:
        """Return True when the instant that `look` tells has come, False after `timeout` seconds.

        With `seldom` it never looks more often than where nothing changes.
        """
        loop = asyncio.get_running_loop()
        end, last = loop.time() + timeout, self._home.instants.now() + micros(timeout)
        glance = _Glance(tuple(topics), seldom=seldom)
        with self._bell.listening(topics) as rung:
            while True:
                self._glance(glance, look)
                now = self._home.instants.now()
                if glance.at is not None and glance.at <= now:
                    return True
                # The loop's time and the clock's are one but for tests, where either may end the wait.
                if loop.time() >= end or now >= last:
                    return False
                rung.clear()
                next_at = last if glance.at is None else min(last, glance.at)
                await self._pause(glance, rung, next_at, min(end - loop.time(), (next_at - now) / MICRO))

    async def _pause(self, glance: _Glance, rung: asyncio.Event, instant: int, seconds: float) -> None:
        """Rest until the bell, a change of the file, or the instant; only timers run meanwhile: a task costs more."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(max(_SHORTEST, seconds), rung.set)

        def peek() -> None:
            glance.interval = min(LAST_LOOK, glance.interval * 2)
            if not glance.seldom:
                self._calm = glance.interval
            if self._changed(glance) or self._home.instants.now() >= instant:
                rung.set()
            else:
                glance.lively = False
                glance.timer = loop.call_later(_pause_of(glance), peek)

        glance.timer = loop.call_later(_pause_of(glance), peek)
        try:
            await rung.wait()
        finally:
            timer.cancel()
            glance.stop()

    def _changed(self, glance: _Glance) -> bool:
        """Say whether a closer look may find something: also where the file cannot be asked, which that look tells."""
        try:
            return not self._open or self._version(self._connected()) != glance.version
        except (sqlite3.Error, BrokerUnavailable):
            return True

    def _glance(self, glance: _Glance, look: Look) -> None:
        """Look into the file, where it changed."""
        if not self._open:
            raise NotOpen("the SQLite driver was closed during a wait")
        try:
            connection = self._connected()
            version = self._version(connection)
            if version == glance.version:
                return
            glance.at = look(Step(connection, self._home.sql, self._home.instants.now()))
            self._hurry(glance)
            glance.version = version  # kept only now: a look that failed is made again
        except sqlite3.Error as error:
            self._bear(error)

    def _hurry(self, glance: _Glance) -> None:
        """Look often again after news. One change that concerns nobody here is the house-keeping of some worker."""
        if glance.seldom:
            return
        sight = glance.topics, glance.at
        glance.interval = FIRST_LOOK if sight != self._seen or glance.lively else self._calm
        # The first look of a wait comes whether the file changed or not.
        glance.lively, self._seen = glance.version is not None, sight

    def _version(self, connection: sqlite3.Connection) -> int:
        return cast(int, connection.execute("PRAGMA data_version").fetchone()[0])

    def _bear(self, error: sqlite3.Error) -> None:
        """Pass over a lock, which the next look finds gone; tell everything else."""
        if broken(error):
            self._drop()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
            raise translate(error, self._options.path) from error

    def _connected(self) -> sqlite3.Connection:
        known = identity(self._options.path)
        if self._connection is not None and known != self._identity:
            self._drop()
        if known is None:
            # A connection would make an empty file here.
            raise BrokerUnavailable(f"{self._options.path} was removed while it was open")
        if self._connection is None:
            self._connection, self._identity = connect(self._options, timeout=0.0), known
        return self._connection

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class _Glance:
    """What one wait knows of the file."""

    __slots__ = ("at", "interval", "lively", "seldom", "timer", "topics", "version")

    def __init__(self, topics: tuple[str, ...], *, seldom: bool = False) -> None:
        self.topics = topics
        self.seldom = seldom
        self.version: int | None = None
        self.at: int | None = None
        self.interval = LAST_LOOK if seldom else FIRST_LOOK
        self.lively = False
        """True from a change of the file until it is seen unchanged."""
        self.timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Peek no more."""
        if self.timer is not None:
            self.timer.cancel()


def _pause_of(glance: _Glance) -> float:
    """Return seconds until the next peek; the widest interval keeps to the beat that the worker's control keeps too."""
    return glance.interval if glance.interval < LAST_LOOK else until_beat(LAST_LOOK)


def _soonest(step: Step, asked: str) -> int | None:
    """Return when something happens in these queues: a job is due, or a lease ends.

    A suspect that is due already does not end a wait, or all workers would spin while one of them runs it.
    """
    due, suspect, lease = ahead(step, asked)
    later = suspect if suspect is not None and suspect > step.now else None
    return min((at for at in (due, later, lease) if at is not None), default=None)
