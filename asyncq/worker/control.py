"""Follows the signals in the store: pauses, restarts, wishes to cancel; puts the worker's heartbeat there."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Final

import anyio
import orjson

from asyncq.clock import until_beat
from asyncq.contracts import Driver
from asyncq.errors import BrokerUnavailable, DriverError
from asyncq.events import Event, WorkerQueuePaused, WorkerQueueResumed
from asyncq.listeners import Listeners
from asyncq.records import Signal
from asyncq.stores import Changes, SignalStore, Telling
from asyncq.worker.cancels import Cancels
from asyncq.worker.desk import Desk
from asyncq.worker.ending import resident_mb
from asyncq.worker.options import WorkerOptions
from asyncq.worker.pump import Pump
from asyncq.worker.stop import Stop

__all__ = ["BEAT_LIFE", "PAUSE_ALL", "RESTART", "Control", "beat_name", "pause_name"]

RESTART: Final = "restart"
PAUSE_ALL: Final = "pause:*"
PERIOD: Final = 1.0
QUIET: Final = 5.0
"""Seconds between looks where the broker tells of changes."""
BEAT_EVERY: Final = 10.0
BEAT_LIFE: Final = 35.0
"""Seconds after which a worker without a heartbeat counts as gone."""
_log = logging.getLogger("asyncq.worker")


def pause_name(connection: str, queue: str) -> str:
    """Return the signal that pauses a queue."""
    return f"pause:{connection}:{queue}"


def beat_name(worker: str) -> str:
    """Return the signal that holds a worker's heartbeat."""
    return f"worker:{worker}"


class _Beats:
    """Of a store that tells nothing: each second something may have changed."""

    async def wait(self, seconds: float, /) -> str | None:
        """Return at the next second."""
        await anyio.sleep(until_beat(PERIOD))
        return None


class Control:
    """At most one command a second: the flags, and each ten seconds, or where its readiness changed, the heartbeat."""

    def __init__(
        self,
        driver: Driver,
        desk: Desk,
        stop: Stop,
        pump: Pump,
        *,
        cancels: Cancels,
        listeners: Listeners,
        options: WorkerOptions,
    ) -> None:
        self._driver = driver
        self._desk = desk
        self._stop = stop
        self._pump = pump
        self._cancels = cancels
        self._listeners = listeners
        self._options = options
        self._started_at = time.time()
        self._restart: bytes | None = None
        self._beat_at = 0.0
        self._told_ready = False
        """What the last heartbeat said."""
        self.looked = anyio.Event()
        """Set when it is known which queues are paused."""
        self._flags = [PAUSE_ALL, RESTART, cancels.flag, *(pause_name(driver.name, spec.name) for spec in desk.queues)]

    async def run(self) -> None:
        """Follow the signals until cancelled; the heartbeat is taken away at the end."""
        signals = self._driver.stores.signals
        if signals is None:
            self.looked.set()
            return
        try:
            await self._first_look(signals)
            while True:
                await self._listen(signals)
        finally:
            with anyio.move_on_after(1.0, shield=True):
                await self._take_leave(signals)

    async def _take_leave(self, signals: SignalStore) -> None:
        try:
            await signals.forget([beat_name(self._options.name)])
        except DriverError as error:
            _log.warning("the heartbeat stays until its life is over: %s", error)

    async def _first_look(self, signals: SignalStore) -> None:
        """Learn what holds now; where the broker cannot be reached, until it can, or until a stop."""
        while not self._stop.requested:
            try:
                flags = await signals.get(self._flags)
                self._restart = flags[RESTART].value if RESTART in flags else None
                await self._heed(flags)
                await self._cancels.heed(signals, flags.get(self._cancels.flag))
                self.looked.set()  # before anything is written: a full disk must not keep us from emptying the queue
                await self._beat(signals)
                return
            except DriverError as error:
                _log.error("the signals cannot be read, or the heartbeat not be written: %s", error)
                await anyio.sleep(PERIOD)
        self.looked.set()

    async def _listen(self, signals: SignalStore) -> None:
        """Follow the signals until the broker fails; where it tells of changes, it is asked now and then only."""
        try:
            if not isinstance(signals, Telling):
                await self._follow_on(signals, _Beats())
                return
            async with signals.changes(self._flags) as changes:
                await self._follow_on(signals, changes)
        except DriverError as error:
            _log.error("the signals cannot be read: %s", error)
            if isinstance(error, BrokerUnavailable):
                self._beat_at = 0.0  # a broker that forgot us hears of us as soon as it is back
            await anyio.sleep(PERIOD)

    async def _follow_on(self, signals: SignalStore, changes: Changes) -> None:
        changed = None
        while True:
            if changed is None and (time.monotonic() >= self._beat_at or self._ready != self._told_ready):
                await self._beat(signals)
            else:
                await self._follow(signals)
            changed = await changes.wait(QUIET)

    async def _follow(self, signals: SignalStore) -> None:
        flags = await signals.get(self._flags)
        value = flags[RESTART].value if RESTART in flags else self._restart
        if value != self._restart:
            self._stop.request("restart_signal")
        await self._heed(flags)
        await self._cancels.heed(signals, flags.get(self._cancels.flag))

    async def _heed(self, flags: Mapping[str, Signal]) -> None:
        if self._options.force:
            return
        queues = {spec.name for spec in self._desk.queues if pause_name(self._driver.name, spec.name) in flags}
        await self._pause(frozenset(queues | ({"*"} if PAUSE_ALL in flags else set())))

    async def _pause(self, paused: frozenset[str]) -> None:
        before, self._desk.paused = self._desk.paused, paused
        if paused == before:
            return
        for name in sorted(paused - before):
            await self._say("paused", name, WorkerQueuePaused(self._driver.name, name))
        for name in sorted(before - paused):
            await self._say("resumed", name, WorkerQueueResumed(self._driver.name, name))
        self._pump.dry = False
        self._desk.bell.set()

    async def _say(self, what: str, queue: str, event: Event) -> None:
        _log.info("queue %s of %s is %s", queue, self._driver.name, what)
        if self._listeners.active:
            await self._listeners.emit(event)

    async def _beat(self, signals: SignalStore) -> None:
        # A little early, so that a look that comes a moment before the tenth second is not followed by another one.
        self._beat_at = time.monotonic() + BEAT_EVERY - 0.1
        self._told_ready = self._ready
        await signals.put(beat_name(self._options.name), orjson.dumps(self._state()), ttl=BEAT_LIFE)

    @property
    def _ready(self) -> bool:
        return self._pump.healthy and not self._stop.requested

    def _state(self) -> dict[str, Any]:
        return {
            "name": self._options.name,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "connection": self._driver.name,
            "queues": [spec.name for spec in self._desk.queues],
            "concurrency": self._options.concurrency,
            "started_at": self._started_at,
            "running": len(self._desk.running),
            "done": self._desk.done,
            "stuck": len(self._desk.stuck),
            "memory_mb": round(resident_mb(), 1),
            "ready": self._ready,
            "looked_ago": round(time.monotonic() - self._pump.looked_at, 1),
        }
