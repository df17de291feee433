"""What can be asked of a memory store beside its work, and the three ways to take a job out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from asyncq.drivers.memory.schedule import Record
from asyncq.drivers.memory.state import State
from asyncq.payload import Reservation
from asyncq.records import QueueSize, WaitingJob

__all__ = ["Inspection"]

_State = Literal["ready", "delayed", "reserved"]


class Inspection:
    """The half of the memory driver that commands and dashboards use."""

    _state: State

    async def sizes(self, queues: Sequence[str], /) -> Mapping[str, QueueSize]:
        """Count the jobs of each queue asked for."""
        with self._state.lock:
            return {name: self._size(name) for name in queues}

    def _size(self, name: str) -> QueueSize:
        count: dict[_State, int] = {"ready": 0, "delayed": 0, "reserved": 0}
        dues: list[int] = []
        for record, state in self._states(name):
            count[state] += 1
            if state == "ready":
                dues.append(record.due)
        age = max(0.0, self._state.clock.now() - min(dues) / 1e6) if dues else None
        return QueueSize(count["ready"], count["delayed"], count["reserved"], age)

    def _states(self, name: str) -> list[tuple[Record, _State]]:
        queue = self._state.jobs.queues.get(name)
        return [(record, self._state_of(record)) for record in queue.jobs.values()] if queue else []

    def _state_of(self, record: Record) -> _State:
        if record.token is not None and record.until > self._state.clock.monotonic():
            return "reserved"
        return "ready" if record.due <= round(self._state.clock.now() * 1e6) else "delayed"

    async def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return the stored jobs among these ids."""
        with self._state.lock:
            records = self._state.jobs.records
            return {id: _shown(records[id], self._state_of(records[id])) for id in ids if id in records}

    async def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait."""
        with self._state.lock:
            jobs = self._state.jobs
            found = [jobs.records[id] for id in dict.fromkeys(ids) if id in jobs.records]
            waiting = [record for record in found if self._state_of(record) != "reserved"]
            for record in waiting:
                jobs.forget(record)
            return [record.envelope.id for record in waiting]

    async def free(self, reservation: Reservation, /) -> bool:
        """Free the unique key of a job that we hold."""
        with self._state.lock:
            record = self._state.jobs.held(reservation)
            if record is not None:
                self._state.jobs.free(record)
            return record is not None

    async def clear(self, queue: str, /) -> int:
        """Forget all jobs of the queue."""
        with self._state.lock:
            jobs = self._state.jobs
            records = list(jobs.queues[queue].jobs.values()) if queue in jobs.queues else []
            for record in records:
                jobs.forget(record)
            return len(records)

    async def queues(self) -> Sequence[str]:
        """Return the names of all queues that hold a job."""
        with self._state.lock:
            return sorted(queue.name for queue in self._state.jobs.queues.values() if queue.jobs)

    async def page(self, queue: str, state: _State, /, *, limit: int = 50, offset: int = 0) -> Sequence[WaitingJob]:
        """List jobs of one queue in one state, in the order in which they would be reserved."""
        with self._state.lock:
            records = [record for record, found in self._states(queue) if found == state]
            records.sort(key=lambda record: (record.due, record.envelope.id))
            return [_shown(record, state) for record in records[offset : offset + limit]]


def _shown(record: Record, state: _State) -> WaitingJob:
    envelope = record.envelope
    return WaitingJob(
        id=envelope.id,
        queue=envelope.queue,
        name=envelope.name,
        state=state,
        due_at=record.due / 1e6,
        attempts=record.attempts,
        exceptions=record.exceptions,
        crashes=record.crashes,
        body=record.body,
        tags=envelope.tags,
        group=envelope.group,
        unique_key=record.unique_key,
    )
