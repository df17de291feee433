"""The stored jobs of a memory store: what waits, who holds what, and whose unique key is whose.

Nothing here locks or awaits: each method is one step, done under the lock of the state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from secrets import token_hex

from asyncq.clock import Clock
from asyncq.drivers.memory.bell import Bells
from asyncq.drivers.memory.schedule import Queue, Record, Schedule
from asyncq.payload import Envelope, Pushed, Released, Reservation, Reserved

__all__ = ["Jobs"]

_SWEEP_FROM = 64


class Jobs:
    """All jobs of one store. Due times are wall-clock instants, leases and keys end by the monotonic clock."""

    __slots__ = ("_clock", "_names", "_serial", "_sweep_at", "bells", "queues", "records")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._names: dict[str, Record] = {}
        # Unguessable and never used twice, at the price of one counter instead of one call to the system per job.
        self._serial = (f"{secret}-{number}" for secret in [token_hex(16)] for number in count(1))
        self._sweep_at = _SWEEP_FROM
        self.bells = Bells()
        self.queues: dict[str, Queue] = {}
        self.records: dict[str, Record] = {}

    def push(self, envelopes: Iterable[Envelope]) -> list[Pushed]:
        """Store the envelopes that are new, in one step."""
        now, at = self._clock.now(), self._clock.monotonic()
        # Made before the first is stored: an envelope that cannot be one must leave none behind.
        records = [self._record(envelope, now, at) for envelope in envelopes]
        return [self._store(record, at) for record in records]

    @staticmethod
    def _record(envelope: Envelope, now: float, at: float) -> Record:
        due = now + envelope.delay if envelope.due_at is None else envelope.due_at
        ttl = envelope.unique.ttl if envelope.unique else None
        return Record(envelope, round(due * 1e6), None if ttl is None else at + ttl)

    def _store(self, record: Record, at: float) -> Pushed:
        id = record.envelope.id
        if id in self.records:
            return Pushed(id, created=False)
        if record.unique_key is not None:
            holder = self._claim(record.unique_key, record, at)
            if holder is not record:
                return Pushed(holder.envelope.id, created=False)
        record.queue = self._queue(record.envelope.queue)
        self.records[id] = record.queue.jobs[id] = record
        record.queue.put(record)
        self.bells.ring(record.queue.name)
        return Pushed(id, created=True)

    def _claim(self, key: str, record: Record, at: float) -> Record:
        """Give a unique key to the record, unless another one holds it; returns the holder."""
        holder = self._names.get(key)
        if holder is not None:
            if holder.unique_until is None or holder.unique_until > at:
                return holder
            holder.unique_key = None
        self._names[key] = record
        return record

    def _queue(self, name: str) -> Queue:
        queue = self.queues.get(name)
        if queue is None:
            if len(self.queues) >= self._sweep_at:
                self.queues = {queue.name: queue for queue in self.queues.values() if queue.jobs}
                self._sweep_at = 2 * len(self.queues) + _SWEEP_FROM
            queue = self.queues[name] = Queue(name)
        return queue

    def _asked(self, names: Sequence[str]) -> list[Queue]:
        return [self.queues[name] for name in names if name in self.queues]

    def reserve(self, names: Sequence[str], *, limit: int, alone: bool, lease: float) -> Reserved:
        """Reclaim what has expired, then lease what is due."""
        queues = self._asked(names)
        now, until = self._clock.now(), self._clock.monotonic() + lease
        self._reclaim(queues)
        due = round(now * 1e6)
        suspect = any(_is_due(queue.suspects, due) for queue in queues)
        schedules = [queue.suspects if alone else queue.waiting for queue in queues]
        items: list[Reservation] = []
        for schedule in schedules:
            while len(items) < (1 if alone else limit) and (record := schedule.take(due)) is not None:
                token = next(self._serial)
                record.queue.lease(record, token, until)
                items.append(_reservation(record, token, now))
        return Reserved(tuple(items), suspect and not alone, self._next_due(queues, due))

    def _reclaim(self, queues: Iterable[Queue]) -> None:
        at = self._clock.monotonic()
        for queue in queues:
            if queue.reclaim(at):
                self.bells.ring(queue.name)

    @staticmethod
    def _next_due(queues: Iterable[Queue], due: int) -> float | None:
        """Seconds until the next job is due; None where one is ready already, or none waits."""
        heads = [head[0] for queue in queues if (head := queue.waiting.head()) is not None]
        if any(at <= due for at in heads):
            return None
        later = [head[0] for queue in queues if (head := queue.suspects.head()) is not None and head[0] > due]
        return min((at - due) / 1e6 for at in heads + later) if heads or later else None

    def pause(self, names: Sequence[str], timeout: float) -> float:
        """Return how long to wait for a job of these queues: until one is due, a lease ends, or the timeout.

        A suspect that is due already does not end a wait, or all workers would spin while one of them runs it.
        """
        queues = self._asked(names)
        due, at = round(self._clock.now() * 1e6), self._clock.monotonic()
        if any(_is_due(queue.waiting, due) for queue in queues):
            return 0.0
        leases = [head[0] - at for queue in queues if (head := queue.leases.head()) is not None]
        next_due = self._next_due(queues, due)
        return min([timeout, *leases, *([] if next_due is None else [next_due])])

    def held(self, reservation: Reservation) -> Record | None:
        """Return the record if this reservation is still good."""
        record = self.records.get(reservation.id)
        return record if record is not None and record.token == reservation.token else None

    def extend(self, reservations: Iterable[Reservation], lease: float) -> list[Reservation]:
        """Restart leases; returns the reservations that are lost."""
        until = self._clock.monotonic() + lease
        lost: list[Reservation] = []
        for reservation in reservations:
            record = self.held(reservation)
            if record is None:
                lost.append(reservation)
            else:
                record.queue.renew(record, until)
        return lost

    def release(self, record: Record, outcome: Released) -> None:
        """Put a held record back."""
        if outcome.delay is not None:
            record.due = round((self._clock.now() + outcome.delay) * 1e6)
        if outcome.count != "nothing":
            record.attempts += 1
            record.exceptions += outcome.count == "exception"
            record.crashes = 0
        if outcome.body is not None:
            record.body = outcome.body
        record.place.drop(record)
        record.queue.put(record)
        self.bells.ring(record.queue.name)

    def forget(self, record: Record) -> None:
        """Remove a record, wherever it stands, and free its unique key."""
        id = record.envelope.id
        del self.records[id], record.queue.jobs[id]
        record.place.drop(record)
        self.free(record)

    def free(self, record: Record) -> None:
        """Free the unique key of a record, if it still is its own."""
        if record.unique_key is not None:
            del self._names[record.unique_key]
            record.unique_key = None


def _is_due(schedule: Schedule, due: int) -> bool:
    head = schedule.head()
    return head is not None and head[0] <= due


def _reservation(record: Record, token: str, now: float) -> Reservation:
    envelope = record.envelope
    return Reservation(
        id=envelope.id,
        queue=envelope.queue,
        name=envelope.name,
        token=token,
        attempt=record.attempts + 1,
        exceptions=record.exceptions,
        crashes=record.crashes,
        body=record.body,
        reserved_at=now,
        group=envelope.group,
        tags=envelope.tags,
        unique_key=record.unique_key,
    )
