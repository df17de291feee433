"""One call in flight that settles what has ended and reserves for the free slots."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import anyio

from asyncq.contracts import Driver, Turning
from asyncq.errors import DriverError
from asyncq.events import WorkerIdle
from asyncq.payload import Reservation, Reserved
from asyncq.run import Run
from asyncq.worker.announcer import Announcer
from asyncq.worker.desk import Desk
from asyncq.worker.options import QueueSpec
from asyncq.worker.stop import Stop

__all__ = ["Pump"]

SETTLE_SECONDS: Final = 10.0
"""How long a stopping worker tries to settle with a broker that does not answer."""
_log = logging.getLogger("asyncq.worker")


class Pump:
    """Moves jobs between the broker and the desk; everything else only looks at the desk and rings its bell."""

    reserving = False
    """True while a reserve is on its way: its answer may start jobs, also after `allowed` became False."""
    settled: Callable[[list[Run]], None] | None = None
    """Hears of the settlements that the broker has answered."""

    def __init__(
        self, driver: Driver, desk: Desk, stop: Stop, start: Callable[[Run], None], announcer: Announcer
    ) -> None:
        self._driver = driver
        self._turning = driver if isinstance(driver, Turning) else None
        self._desk = desk
        self._stop = stop
        self._start = start
        self.announcer = announcer
        self._failures = 0
        self._limited = any(spec.limit is not None for spec in desk.queues)
        self.dry = False
        """True where the last look found fewer jobs than it asked for; the lookout clears it."""
        self.vetoed = False
        """True where a listener of `Looping` forbade the last look; the lookout clears it after a pause."""
        self._looked = False
        self.idle = asyncio.Event()
        """Set while there is room and nothing to reserve: it is the lookout's turn."""
        self.waited_for: frozenset[str] = frozenset()
        """Queues that the lookout waits for."""
        self.recall: Callable[[], None] | None = None
        """Ends the lookout's wait, where there is one."""
        self.allowed = True
        """False while something else holds the pump back from reserving."""
        self.suspects = asyncio.Event()
        """Set while jobs are due that crashed twice and run alone."""
        self.limit = float("inf")
        """How many jobs may be taken in all."""
        self.looked_at = time.monotonic()
        """Monotonic instant of the last call that the broker answered."""

    @property
    def healthy(self) -> bool:
        """False while the broker does not answer."""
        return self._failures == 0

    async def run(self) -> None:
        """Pump until a stop was asked for and nothing is held any more."""
        desk = self._desk
        while not (self._stop.requested and desk.empty):
            desk.bell.clear()
            self._fill_slots()
            wanted = self._wanted()
            self.reserving = bool(wanted)
            if wanted and self.announcer.active:
                wanted = await self._allowed_to_look(wanted)
            if desk.ended or wanted:
                await self._turn(wanted)
                self.reserving = False
            else:
                self.reserving = False  # a listener may have forbidden it
                self._call_for_lookout()
                await self._tell_idle()
                await desk.bell.wait()

    def _fill_slots(self) -> None:
        if not self._stop.requested:
            for run in self._desk.startable():
                self._start(run)

    def _wanted(self) -> list[tuple[list[str], int]]:
        """Return what to reserve: names of queues in their order, and how many of them in all."""
        if self.dry and not self._desk.ended:
            return []
        room = self._room()
        return _grouped(self._desk.open_queues(), room, self._desk.room_of) if room > 0 else []

    async def _allowed_to_look(self, wanted: list[tuple[list[str], int]]) -> list[tuple[list[str], int]]:
        """Ask the listeners; a veto holds for one look, and pauses the lookout."""
        if await self.announcer.looks([name for names, _ in wanted for name in names]):
            return wanted
        self.vetoed = self.dry = True
        return []

    async def _tell_idle(self) -> None:
        """Tell once after each look that found nothing while nothing runs."""
        if self._looked and self.dry and self._desk.empty:
            self._looked = False
            await self.announcer.tell(WorkerIdle)

    def _room(self) -> int:
        """Return how many jobs may be reserved now."""
        if not self.allowed or self._stop.requested:
            return 0
        return int(min(self._desk.room, self.limit - self._desk.taken))

    def _call_for_lookout(self) -> None:
        """Let the lookout wait at the broker, if a job that came now could be taken."""
        open_queues = self._desk.open_queues()
        if self._room() > 0 and open_queues:
            self.idle.set()
            if self.recall is not None and not self.waited_for.issuperset(spec.name for spec in open_queues):
                self.recall()
        else:
            self.idle.clear()

    async def _turn(self, wanted: list[tuple[list[str], int]]) -> None:
        desk = self._desk
        batch, desk.ended = desk.ended, []
        try:
            await self._exchange(batch, wanted)
        except DriverError as error:
            desk.ended = batch + desk.ended
            await self._back_off(error)
        except BaseException:
            desk.ended = batch + desk.ended  # cancelled on the way: settling again is answered as stale, and harmless
            raise

    async def _exchange(self, batch: list[Run], wanted: list[tuple[list[str], int]]) -> None:
        settlements = [run.settlement for run in batch if run.settlement is not None]
        asked_for = {name for names, _ in wanted for name in names} if self._limited else None
        short: list[bool] = []
        if self._turning is not None and settlements and wanted:
            (names, limit), *wanted = wanted
            sent = time.monotonic()
            stale, reserved = await self._turning.turn(settlements, names, limit=limit)
            self._confirm(batch, stale)
            short.append(await self._take(reserved, limit, sent))
        elif settlements:
            self._confirm(batch, await self._driver.settle(settlements))
        for names, asked in wanted:
            if limit := min(asked, self._desk.room):
                sent = time.monotonic()
                short.append(await self._take(await self._driver.reserve(names, limit=limit), limit, sent))
        if short:
            self.dry, self._looked = all(short), True
        if asked_for is not None and self._reopened(asked_for):
            self.dry = False
        self.looked_at = time.monotonic()
        self._failures = 0

    def _reopened(self, asked_for: set[str]) -> bool:
        """Say whether a queue that was at its limit has room again: nobody looked into it, nor waits for it."""
        return any(spec.limit is not None and spec.name not in asked_for for spec in self._desk.open_queues())

    def _confirm(self, batch: list[Run], stale: Sequence[Reservation]) -> None:
        if stale:
            self._refuse(batch, {(item.id, item.token) for item in stale})
        for run in batch:
            if run.confirmed is not None:  # somebody listens; the answer of a stale one came first, and stays
                run.answer(stale=False)
            self._desk.drop(run)
        self._desk.done += len(batch)
        if self.settled is not None:
            self.settled(batch)

    def _refuse(self, batch: list[Run], stale: set[tuple[str, str]]) -> None:
        for run in batch:
            if (run.reservation.id, run.reservation.token) not in stale:
                continue
            if run.early is not None:
                run.settlement = run.early.settlement  # it was settled before, and that is what counts
            else:
                run.answer(stale=True)
                _log.warning("%s %s: its lease was lost, so its end was refused", run.name, run.reservation.id)

    async def _take(self, reserved: Reserved, limit: int, sent: float) -> bool:
        """Put reservations on the desk and start what has a slot; True where there were fewer than asked for."""
        items: Sequence[Reservation] = reserved.items
        if reserved.suspects:
            self.suspects.set()
        if items and time.monotonic() - sent > self._driver.lease / 3:
            # The loop was held while the answer waited: what is no longer ours must not start.
            lost = {item.id for item in await self._driver.extend(items)}
            items = [item for item in items if item.id not in lost]
        desk = self._desk
        runs = [desk.take(item) for item in items]
        desk.waiting.extend(runs)
        if runs and self.announcer.active:
            await self.announcer.reserved(runs)
        self._fill_slots()
        if self._stop.requested:  # the stop came while the answer was on its way
            desk.hand_back_waiting()
        return len(reserved.items) < limit

    async def _back_off(self, error: DriverError) -> None:
        """Wait before the next try, 0.1 to 5 s with full jitter; a stopping worker gives up after its deadline."""
        self._failures += 1
        _log.error("the broker failed (try %d): %s", self._failures, error)
        if time.monotonic() > self._stop.end_at + SETTLE_SECONDS:
            _log.critical("%d jobs could not be settled; they come back after their lease", len(self._desk.held))
            for run in list(self._desk.held):
                self._desk.drop(run)
            return
        with anyio.move_on_after(random.uniform(0.05, min(5.0, 0.1 * 2 ** min(self._failures, 6)))):
            await (self._stop.event if not self._stop.requested else self._stop.hurry).wait()


def _grouped(specs: Sequence[QueueSpec], room: int, room_of: Callable[[QueueSpec], int]) -> list[tuple[list[str], int]]:
    """Put neighbours without a limit into one call, and each queue with a limit into a call of its own."""
    groups: list[tuple[list[str], int]] = []
    open_group = False
    for spec in specs:
        if spec.limit is None and open_group:
            groups[-1][0].append(spec.name)
        else:
            groups.append(([spec.name], min(room, room_of(spec))))
        open_group = spec.limit is None
    return groups
