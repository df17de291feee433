"""Instants and durations, with the seam where tests turn the time."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from asyncq.errors import ConfigError, WrongType, WrongValue

__all__ = ["SYSTEM_CLOCK", "Clock", "Holder", "Seconds", "delay_of", "iso", "seconds", "until_beat"]

Seconds = float | timedelta
"""A duration as the public border takes it; inside, durations are seconds as float."""


async def _sleep(delay: float) -> None:
    import anyio  # here, since a module that only defines jobs does not need it

    await anyio.sleep(delay)


class Holder(Protocol):
    """Holds leases, and renews them in real time: a clock that a test turns lets it renew them on the way."""

    def stride(self) -> float | None:
        """Return how many seconds may pass before the next renewal; None while nothing is held."""
        ...

    def renew(self) -> None:
        """Renew the leases, and return when that is done."""
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Where a driver without a server takes its time from."""

    now: Callable[[], float] = time.time
    """Unix seconds."""
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[float], Awaitable[object]] = _sleep
    """An async function that returns after so many seconds of this clock."""

    def join(self, holder: Holder) -> None:
        """Make a holder known, if this clock is one that is turned."""

    def part(self, holder: Holder) -> None:
        """Forget a holder."""


SYSTEM_CLOCK = Clock()


def seconds(value: object, what: str) -> float:
    """Return a duration in seconds.

    Raises:
        WrongType, WrongValue: it is none, named by `what`.
    """
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongType(f"{what} takes seconds or a timedelta, not {value!r}")
    if not math.isfinite(value):
        raise WrongValue(f"{what} takes a finite number of seconds, not {value!r}")
    return float(value)


def delay_of(value: Seconds | datetime, what: str = "delay") -> tuple[float, float | None]:
    """Return (delay, due_at): a duration as seconds from now, an aware datetime as unix seconds.

    Raises:
        ConfigError: for a datetime without a time zone, which names no instant.
    """
    if not isinstance(value, datetime):
        return max(0.0, seconds(value, what)), None
    if value.tzinfo is None:
        raise ConfigError(f"{what}={value!r} has no time zone; write datetime(..., tzinfo=UTC) or pass a timedelta")
    return 0.0, value.timestamp()


_STARTED = time.monotonic()


def until_beat(period: float) -> float:
    """Return seconds until the process's next beat of this period, at most one period.

    What recurs while a process idles waits for a common beat: two timers that end together cost one wake of the loop,
    and a wake is most of what either costs. The beats count from the start of the process, so that two processes do
    not wake at the same instant.
    """
    return period - (time.monotonic() - _STARTED) % period


def iso(at: float) -> str:
    """Return an instant as people and machines read it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
