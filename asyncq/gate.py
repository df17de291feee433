"""A gate that a caller passes now, after a wait, or not: what locks, funnels and throttles have in common."""

from __future__ import annotations

import inspect
import math
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeVar, overload

from asyncq.clock import Seconds, seconds
from asyncq.contracts import Driver
from asyncq.errors import ConfigError, LockTimeout, NotSupported, WrongType
from asyncq.lines import Line, Lines
from asyncq.records import LimitState

__all__ = ["Find", "Gate", "Place", "count_of", "needed", "span_of"]

T = TypeVar("T")
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gate stands."""

    driver: Driver
    """Its stores keep the gate."""
    lines: Lines


Find = Callable[[], Awaitable[Place]]
"""Returns where the gate stands; the driver is open."""

FIRST_PAUSE: Final = 0.01
LAST_PAUSE: Final = 0.25
"""Seconds between looks at a gate that another process may open at any moment: they grow from one to the other."""


class Gate(AbstractAsyncContextManager[Any], ABC):
    """Counts or holds something under a key; `async with` passes it, or raises LockTimeout."""

    def __init__(self, key: str, find: Find, wait: Seconds | None) -> None:
        if not key:
            raise ConfigError("a lock, funnel or throttle needs a key; two with one key are the same one")
        self.key = key
        self._find = find
        self._wait = math.inf if wait is None else seconds(wait, "wait")
        if self._wait < 0:
            raise ConfigError(f"{key!r}: wait={wait!r} is negative; 0 does not wait, None waits without limit")

    @overload
    async def then(self, call: Callable[[], Awaitable[T]], /) -> T: ...
    @overload
    async def then(self, call: Callable[[], T], /) -> T: ...
    async def then(self, call: Callable[[], Any], /) -> Any:
        """Pass, call what is given, and return its result; an async function is awaited.

        Raises:
            LockTimeout: there was no way through within the wait, and nothing was called.
        """
        async with self:
            result = call()
            return await result if inspect.isawaitable(result) else result

    @abstractmethod
    def _refusal(self, state: LimitState, waited: str, /) -> LockTimeout:
        """Say why there was no way through."""

    def _check(self, state: LimitState) -> LimitState:
        if not state.allowed:
            waited = f"within {self._wait:g} s" if self._wait else "at once; give a wait in seconds to wait for it"
            raise self._refusal(state, waited)
        return state

    @abstractmethod
    def _line(self) -> str:
        """Name the line of those who wait for the same."""

    async def _pass(self, attempt: Callable[[], Awaitable[LimitState]], *, sudden: bool) -> LimitState:
        """Attempt until it is allowed or the wait is over; answers the last state.

        Where the way opens at a known time only, sleep until then, or give up at once if that is too late. Where it may
        open before, `sudden`, look again and again.
        """
        ends_at = time.monotonic() + self._wait
        state = await attempt()
        if state.allowed or _hopeless(state, ends_at, sudden=sudden):
            return state
        place = await self._find()
        line = place.lines.of(f"{place.driver.name}: {self._line()}")
        news = not line.empty
        if not await line.enter(ends_at - time.monotonic()):
            return await attempt()
        try:
            return await _wait(line, attempt, await attempt() if news else state, ends_at, sudden=sudden)
        finally:
            line.leave()

    async def _wake(self) -> None:
        """Tell who waits in this process that there is room now."""
        place = await self._find()
        place.lines.ring(f"{place.driver.name}: {self._line()}")


async def _wait(
    line: Line, attempt: Callable[[], Awaitable[LimitState]], state: LimitState, ends_at: float, *, sudden: bool
) -> LimitState:
    pause = FIRST_PAUSE
    while not (state.allowed or _hopeless(state, ends_at, sudden=sudden)):
        nap = max(state.retry_after, FIRST_PAUSE)
        if sudden:
            nap = min(nap, ends_at - time.monotonic(), pause * random.uniform(0.75, 1.25))
            pause = min(pause * 1.5, LAST_PAUSE)
        await line.nap(nap)
        state = await attempt()
    return state


def _hopeless(state: LimitState, ends_at: float, *, sudden: bool) -> bool:
    left = ends_at - time.monotonic()
    return left <= 0 or (state.retry_after > left and not sudden)


def needed(driver: Driver, store: S | None, what: str) -> S:
    """Return the store, or say what to do where the driver has none."""
    if store is None:
        raise NotSupported(
            f"connection {driver.name!r} keeps no {what}s; name one that does, such as redis:// or sqlite://, "
            f"with app.{what}(…, connection=…)"
        )
    return store


def span_of(value: Seconds, what: str) -> float:
    """Return a duration that is longer than nothing, in seconds."""
    span = seconds(value, what)
    if span <= 0:
        raise ConfigError(f"{what}={value!r} is no time; give a positive number of seconds")
    return span


def count_of(value: int, what: str) -> int:
    """Return a number of at least one.

    Raises:
        WrongType, ConfigError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers that are not checked
        raise WrongType(f"{what} takes a whole number, not {value!r}")
    if value < 1:
        raise ConfigError(f"{what}={value!r} lets nobody through; give 1 or more")
    return value
