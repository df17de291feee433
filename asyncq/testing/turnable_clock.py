"""A clock that tests turn by hand."""

from __future__ import annotations

import threading
import time
from asyncio import AbstractEventLoop, get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import anyio
import anyio.lowlevel

from asyncq.clock import Clock, Holder, Seconds
from asyncq.clock import seconds as as_seconds
from asyncq.current import apps
from asyncq.errors import ConfigError

__all__ = ["Alarm", "TurnableClock", "clock", "clock_of_the_test"]


@dataclass(frozen=True, slots=True)
class Turned(Clock):
    """What drivers and engines see of a turnable clock."""

    by: TurnableClock | None = None

    def join(self, holder: Holder) -> None:
        """Renew its leases on the way, when the clock is turned."""
        if self.by is not None:
            self.by.holders.append(holder)

    def part(self, holder: Holder) -> None:
        """Forget a holder."""
        if self.by is not None:
            self.by.holders.remove(holder)


@dataclass(eq=False, slots=True)
class Alarm:
    """A call at an instant of the clock."""

    at: float
    loop: AbstractEventLoop
    call: Callable[[], object]


class TurnableClock:
    """Virtual time: it stands still until it is turned, which wakes all whose wait is over, in any loop.

    As a context manager it is the clock of all apps that open within the block. What brokers and the engine date
    follows it: delays, backoffs, leases, lives of locks and unique keys, `retry_until`. Sleeps and timeouts of your own
    code, and the waits of `app.lock(wait=…)`, stay real.
    """

    def __init__(self, start: float | None = None) -> None:
        self._now = round(time.time() if start is None else start, 6)  # as brokers keep it
        self.holders: list[Holder] = []
        """Workers; what they hold must not be lost because the time jumps."""
        self._alarms: list[Alarm] = []
        self._lock = threading.Lock()
        self._before: list[Clock] = []
        self.clock = Turned(now=self.now, monotonic=self.now, wait=self.wait, by=self)

    def __repr__(self) -> str:
        return f"<clock at {self.today():%Y-%m-%d %H:%M:%S}>"

    def __enter__(self) -> Self:
        self._before.append(apps.clock)
        apps.clock = self.clock
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        apps.clock = self._before.pop()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self.__exit__(kind, error, trace)

    def now(self) -> float:
        """Return unix seconds; also used as the monotonic time."""
        return self._now

    def today(self) -> datetime:
        """Return the same as a datetime, in UTC."""
        return datetime.fromtimestamp(self._now, UTC)

    @property
    def waiting(self) -> int:
        """How many waits are open."""
        with self._lock:
            return len(self._alarms)

    async def wait(self, delay: float) -> None:
        """Return when the clock was turned past `delay` seconds from now."""
        if delay <= 0:
            await anyio.lowlevel.checkpoint()
            return
        over = anyio.Event()
        alarm = self.alarm(delay, over.set)
        try:
            await over.wait()
        finally:
            self.silence(alarm)

    def alarm(self, delay: float, call: Callable[[], object]) -> Alarm:
        """Have the running loop make a call once the clock was turned so far."""
        made = Alarm(self._now + delay, get_running_loop(), call)
        with self._lock:
            self._alarms.append(made)
        return made

    def silence(self, alarm: Alarm) -> None:
        """Forget an alarm, if it has not rung yet."""
        with self._lock:
            if alarm in self._alarms:
                self._alarms.remove(alarm)

    def advance(
        self, by: Seconds = 0.0, *, days: float = 0.0, hours: float = 0.0, minutes: float = 0.0, seconds: float = 0.0
    ) -> None:
        """Turn the clock forward: by seconds or a timedelta, or by days, hours, minutes and seconds together.

        Raises:
            ConfigError: the way leads back; no broker's time does that.
        """
        rest = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
        total = as_seconds(by, "advance") + rest
        if total < 0:
            raise ConfigError(f"a clock is only turned forward, not by {total:g} s")
        self.turn(total)

    def turn(self, seconds: float) -> None:
        """Turn the clock by seconds, and wake those whose wait is over."""
        # Microseconds, so that many small turns do not add up to a deadline that is missed by a rounding error.
        end = round(self._now + seconds, 6)
        while True:
            holders = {holder: stride for holder in list(self.holders) if (stride := holder.stride()) is not None}
            self._set(min([end, *(round(self._now + stride, 6) for stride in holders.values())]))
            for holder in holders:
                holder.renew()
            if self._now >= end:
                return

    def _set(self, now: float) -> None:
        with self._lock:
            self._now = now
            over = [alarm for alarm in self._alarms if alarm.at <= self._now]
            self._alarms = [alarm for alarm in self._alarms if alarm.at > self._now]
        for alarm in over:
            if not alarm.loop.is_closed():
                alarm.loop.call_soon_threadsafe(alarm.call)


def clock(start: datetime | float | None = None) -> TurnableClock:
    """Make the clock of a test: `async with clock() as time, AsyncQ("memory://") as app: …`.

    Apps on `memory://` and `sqlite://` that open within the block take their time from it. `start` is where it begins,
    by default now.

    Raises:
        ConfigError: `start` has no time zone; or, where an app opens, one of its drivers has a server's time.
    """
    if isinstance(start, datetime):
        if start.tzinfo is None:
            raise ConfigError(f"clock({start!r}) has no time zone; write datetime(…, tzinfo=UTC)")
        start = start.timestamp()
    return TurnableClock(start)


def clock_of_the_test() -> TurnableClock | None:
    """Return the clock whose block we are in."""
    return apps.clock.by if isinstance(apps.clock, Turned) else None
