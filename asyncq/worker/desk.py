"""What one worker holds: leased jobs that wait, run, or have ended and are not settled yet."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.payload import Reservation
from asyncq.run import Run
from asyncq.worker.ledger import Ledger
from asyncq.worker.options import QueueSpec

__all__ = ["Desk"]


@dataclass(slots=True)
class Desk:
    """Changed only in the loop; the keeper's thread takes copies of `held` and `running`."""

    slots: int
    ahead: int
    queues: tuple[QueueSpec, ...]
    held: set[Run] = field(default_factory=set[Run])
    """Everything leased to us; its leases are kept."""
    waiting: deque[Run] = field(default_factory=deque[Run])
    running: set[Run] = field(default_factory=set[Run])
    stuck: set[Run] = field(default_factory=set[Run])
    """Handlers that are deaf to being cancelled: settled, but their slot is not free."""
    ended: list[Run] = field(default_factory=list[Run])
    paused: frozenset[str] = frozenset()
    """Queues that are paused; `*` stands for all."""
    bell: asyncio.Event = field(default_factory=asyncio.Event)
    """Rung when the pump may have something to do."""
    resting: int = 0
    """Slots that pause after a job."""
    taken: int = 0
    """Jobs reserved since the start."""
    done: int = 0
    """Jobs settled since the start."""
    unrelayed: bool = False
    """True while effects of settled jobs may still lie in the outbox."""
    on_hold: bool = False
    """True while a signal to this process pauses it."""
    ledger: Ledger | None = None
    """Shared with a parent process, where there is one."""
    by_queue: Counter[str] = field(default_factory=Counter[str])
    """Jobs held, by queue."""
    clock: Clock = SYSTEM_CLOCK
    """Dates what the broker dates too."""

    def take(self, reservation: Reservation) -> Run:
        """Put a reservation on the desk."""
        run = Run(reservation, self.clock)
        self.held.add(run)
        self.by_queue[reservation.queue] += 1
        self.taken += 1
        if self.ledger is not None:
            self.ledger.add(run)
        return run

    def end(self, run: Run) -> None:
        """Note that a run has its settlement, or lost its lease, and wake the pump."""
        self.running.discard(run)
        if run.settlement is None:
            self.drop(run)
        elif run in self.held:
            self.ended.append(run)
        else:
            run.answer(stale=True)  # it was dropped before: nobody will settle it
        self.bell.set()

    def hand_back(self, run: Run) -> None:
        """Let the pump give a job back to its place, uncounted."""
        run.settlement = run.handed_back()
        self.end(run)

    def hand_back_waiting(self) -> None:
        """Give back all that was reserved and has not begun."""
        while self.waiting:
            self.hand_back(self.waiting.popleft())

    def hand_back_running(self) -> None:
        """Give back all that still runs."""
        for run in list(self.running):
            self.hand_back(run)

    def drop(self, run: Run) -> None:
        """Take a run off the desk: it is settled, or it is no longer ours, and then no answer to its end will come."""
        if run.confirmed is not None:
            run.answer(stale=True)
        if run in self.held:
            self.held.discard(run)
            self.by_queue[run.reservation.queue] -= 1
            if self.ledger is not None:
                self.ledger.remove(run)

    def call_off(self) -> None:
        """Interrupt all that runs."""
        for run in list(self.running):
            run.cancel("shutdown")

    def give_up(self) -> None:
        """Interrupt and drop all: nothing will be settled any more, and jobs come back after their leases."""
        self.call_off()
        for run in list(self.held):
            self.drop(run)

    def startable(self) -> Iterator[Run]:
        """Take as many waiting runs as there are free slots."""
        for _ in range(min(len(self.waiting), self.slots - self.busy)):
            yield self.waiting.popleft()

    @property
    def busy(self) -> int:
        """Slots that are taken."""
        return len(self.running) + len(self.stuck) + self.resting

    @property
    def room(self) -> int:
        """How many more jobs may be leased."""
        return max(0, self.slots + self.ahead - self.busy - len(self.waiting))

    @property
    def empty(self) -> bool:
        """True where nothing is leased to us any more."""
        return not self.held

    def open_queues(self) -> list[QueueSpec]:
        """Return the queues that may be read now: neither paused nor at their limit."""
        if not (self.paused or self.on_hold) and not any(spec.limit for spec in self.queues):
            return list(self.queues)
        if self.on_hold or "*" in self.paused:
            return []
        return [spec for spec in self.queues if spec.name not in self.paused and self.room_of(spec) > 0]

    def room_of(self, spec: QueueSpec) -> int:
        """Return how many more jobs of this queue may be leased."""
        return self.room if spec.limit is None else min(self.room, spec.limit - self.by_queue[spec.name])
