"""Records in the order of an instant, with lazy deletion so that no call searches."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from asyncq.payload import Envelope

__all__ = ["SUSPECT_CRASHES", "Queue", "Record", "Schedule"]

SUSPECT_CRASHES = 2
"""From this many crashes on, a job is reserved only alone."""

_MANY_DEAD = 64


class Record:
    """A stored job: its envelope, and beside it all that changes."""

    __slots__ = (
        "attempts",
        "body",
        "crashes",
        "due",
        "entry",
        "envelope",
        "exceptions",
        "place",
        "queue",
        "token",
        "unique_key",
        "unique_until",
        "until",
    )

    def __init__(self, envelope: Envelope, due: int, unique_until: float | None) -> None:
        self.envelope = envelope
        self.body = envelope.body
        self.due = due
        """Microseconds since the epoch."""
        self.attempts = self.exceptions = self.crashes = 0
        self.unique_key = envelope.unique.key if envelope.unique else None
        self.unique_until = unique_until
        self.token: str | None = None
        self.until = 0.0
        """Monotonic instant at which the lease ends; means nothing without a token."""
        self.queue: Queue
        self.place: Schedule
        self.entry: Entry | None = None
        """The one entry in `place` that counts; every other entry of this record is dead."""

    def __lt__(self, other: Record) -> bool:
        # Only asked about two entries of one instant and one id, of which at most one is alive.
        return False


Entry = tuple[float, str, Record]


class Schedule:
    """A heap by (instant, id). Leaving it costs nothing: the entry dies where it lies and is dropped later."""

    __slots__ = ("_dead", "_heap")

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._dead = 0

    def add(self, at: float, record: Record) -> None:
        """Put a record in."""
        entry = record.entry = (at, record.envelope.id, record)
        record.place = self
        heappush(self._heap, entry)

    def drop(self, record: Record) -> None:
        """Take a record out, wherever it stands."""
        record.entry = None
        self._dead += 1
        # Without this a month of cancelled delays or settled leases would lie here until its instant comes.
        if self._dead > _MANY_DEAD and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].entry is entry]
            heapify(self._heap)
            self._dead = 0

    def head(self) -> Entry | None:
        """Return the first living entry."""
        heap = self._heap
        while heap:
            entry = heap[0]
            if entry[2].entry is entry:
                return entry
            heappop(heap)
            self._dead -= 1
        return None

    def take(self, at: float) -> Record | None:
        """Take out the first record whose instant has come by `at`."""
        entry = self.head()
        if entry is None or entry[0] > at:
            return None
        heappop(self._heap)
        entry[2].entry = None
        return entry[2]


class Queue:
    """The jobs of one queue. Each record stands in exactly one of the three schedules."""

    __slots__ = ("jobs", "leases", "name", "suspects", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.jobs: dict[str, Record] = {}
        self.waiting = Schedule()
        self.suspects = Schedule()
        self.leases = Schedule()

    def put(self, record: Record) -> None:
        """Let a record wait until it is due."""
        record.token = None
        (self.suspects if record.crashes >= SUSPECT_CRASHES else self.waiting).add(record.due, record)

    def lease(self, record: Record, token: str, until: float) -> None:
        """Give a record that was taken out of its schedule to the holder of the token."""
        record.token = token
        record.until = until
        self.leases.add(until, record)

    def renew(self, record: Record, until: float) -> None:
        """Let the lease end at another instant; a later one moves the entry only when its turn comes."""
        if record.entry is not None and until < record.entry[0]:
            self.leases.drop(record)
            self.leases.add(until, record)
        record.until = until

    def reclaim(self, at: float) -> bool:
        """Put back whatever lease has ended by `at`, with one crash more; True if there was one."""
        found = False
        while record := self.leases.take(at):
            if record.until > at:
                self.leases.add(record.until, record)
                continue
            record.crashes += 1
            self.put(record)
            found = True
        return found
