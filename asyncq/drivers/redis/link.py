"""The way to the server: calls with a deadline, tried again where their answer was lost."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

from redis import exceptions as redis_errors

from asyncq.drivers.redis.calls import Call
from asyncq.drivers.redis.faults import FAILURES, passing, translate
from asyncq.drivers.redis.news import News
from asyncq.drivers.redis.wire import Argument

__all__ = ["Link", "Wire"]

T = TypeVar("T")
SLOWEST: Final = 0.5
"""Longest pause between two tries, in seconds."""
SETTLED: Final = 0.05
"""Seconds after which a command that blocks has been heard by the server."""
_log = logging.getLogger("asyncq.redis")


class Wire(Protocol):
    """Sends one command and returns its answer; knows nothing of tries and deadlines."""

    async def send(self, *arguments: Argument) -> Any:
        """Return the answer; raises what redis-py raises, and drops the connection if it was cancelled."""
        ...

    async def listen(self, channels: Sequence[str]) -> Any:
        """Return a connection of its own that is subscribed to channels."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class Link:
    """Runs calls over a wire. A call that was lost is sent again as it was, which does no harm: see `Call`."""

    def __init__(self, wire: Wire, *, timeout: float, retry_for: float, where: str) -> None:
        self._wire = wire
        self._timeout = timeout
        self._retry_for = retry_for
        self.where = where

    async def run(self, call: Call) -> Any:
        """Run a script; a server that does not know it yet gets it.

        Raises:
            DriverError: the server refused the call, or cannot be reached.
            ConfigError: the server refuses this user.
        """
        try:
            return await self._evaluate(call)
        except FAILURES as error:
            return await self._again(lambda: self._evaluate(call), error)

    async def command(self, *arguments: Argument) -> Any:
        """Send a command that a repeat does no harm to; raises as `run` does."""
        return await self.persist(lambda: self._once(*arguments))

    async def block(self, *arguments: Argument, seconds: float) -> bool:
        """Send a command that blocks for so long at most; True if it had an answer, or may have had one.

        Cancelled, it takes its connection with it. The server's answer may be lost then, so it must not matter.
        """
        ends_at = time.monotonic() + seconds

        async def attempt() -> bool:
            began = time.monotonic()
            left = max(0.001, ends_at - began)
            try:
                return await self._once(*arguments, f"{left:.3f}", within=left + self._timeout) is not None
            except FAILURES as error:
                # It was connected: the answer may be what was lost. Where nothing connects, it is tried again.
                if passing(error) and time.monotonic() - began > SETTLED:
                    return True
                raise

        return await self.persist(attempt)

    def news(self, *channels: str) -> News:
        """Make a subscription; `async with` opens it."""
        return News(self, channels)

    async def listen(self, channels: Sequence[str]) -> Any:
        """Return a connection of its own that is subscribed to channels; raises as `run` does."""

        async def attempt() -> Any:
            async with asyncio.timeout(self._timeout):
                return await self._wire.listen(channels)

        return await self.persist(attempt)

    async def persist(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try until it succeeds, fails for good, or the time for tries is over."""
        try:
            return await attempt()
        except FAILURES as error:
            return await self._again(attempt, error)

    async def _again(self, attempt: Callable[[], Awaitable[T]], error: Exception) -> T:
        """Go on after a first try that failed; kept apart, so that calls that succeed pay nothing for it."""
        ends_at, tries = time.monotonic() + self._retry_for, 0
        while True:
            tries += 1
            pause = random.uniform(0.0, min(SLOWEST, 0.02 * 2**tries))
            if not passing(error) or time.monotonic() + pause > ends_at:
                raise translate(error, self.where) from error
            _log.debug("%s: %s (try %d)", self.where, error, tries)
            await asyncio.sleep(pause)
            try:
                return await attempt()
            except FAILURES as failed:
                error = failed

    async def close(self) -> None:
        """Close the connections."""
        await self._wire.close()

    async def _evaluate(self, call: Call) -> Any:
        try:
            return await self._once(*call.short)
        except redis_errors.NoScriptError:
            return await self._once(*call.whole)

    async def _once(self, *arguments: Argument, within: float | None = None) -> Any:
        seconds = self._timeout if within is None else within
        try:
            # Not wait_for: it would run the call in a task of its own.
            async with asyncio.timeout(seconds):
                return await self._wire.send(*arguments)
        except TimeoutError:
            raise redis_errors.TimeoutError(f"no answer within {seconds:g} s") from None
