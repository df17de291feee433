"""Jobs that are pushed, looked up and forgotten."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.payload import Envelope, Pushed, Reservation
from asyncq.records import QueueSize, WaitingJob

__all__ = ["cancel", "clear", "find", "free", "page", "push", "queues", "size"]

State = Literal["ready", "delayed", "reserved"]


def push(step: Step, envelopes: Sequence[Envelope]) -> list[Pushed]:
    """Store the envelopes; says for each which job is there now."""
    _free_outlived(step, [envelope.unique.key for envelope in envelopes if envelope.unique is not None])
    written = step.each("jobs.push", [_row(envelope, step.now) for envelope in envelopes])
    step.touched.update(envelope.queue for envelope in envelopes)
    if all(written):
        return [Pushed(envelope.id, True) for envelope in envelopes]
    places = {envelopes[place].id: place for place, new in enumerate(written) if new}
    return [
        Pushed(envelope.id, True) if written[place] else _resolve(step, envelope, places.get(envelope.id, -1) > place)
        for place, envelope in enumerate(envelopes)
    ]


def _free_outlived(step: Step, keys: Sequence[str]) -> None:
    """Take keys whose life is over from the jobs that hold them."""
    if keys:
        step.run("jobs.free_outlived", (json.dumps(keys), step.now))


def _row(envelope: Envelope, now: int) -> Row:
    unique = envelope.unique
    return (
        envelope.id,
        envelope.queue,
        envelope.name,
        now + micros(envelope.delay) if envelope.due_at is None else micros(envelope.due_at),
        None if unique is None else unique.key,
        None if unique is None or unique.ttl is None else now + micros(unique.ttl),
        envelope.group,
        json.dumps(envelope.tags) if envelope.tags else None,
        envelope.body,
    )


def _resolve(step: Step, envelope: Envelope, came_later: bool) -> Pushed:
    """Find out why nothing was written: the id was there, if it did not come later in the call, or its key is held."""
    if envelope.unique is None or (not came_later and step.row("jobs.by_id", (envelope.id,)) is not None):
        return Pushed(envelope.id, False)
    holder = step.row("jobs.by_key", (envelope.unique.key,))
    return Pushed(holder[0] if holder else envelope.id, False)


def free(step: Step, held: Reservation) -> bool:
    """Free the unique key of a job under its fence."""
    return step.run("jobs.free", (held.id, held.token)).rowcount == 1


def find(step: Step, ids: Sequence[str]) -> dict[str, WaitingJob]:
    """Return the stored jobs among these ids."""
    rows = step.rows("jobs.find", {"ids": json.dumps(ids), "now": step.now})
    return {row[0]: _waiting(row, _state(row, step.now)) for row in rows}


def cancel(step: Step, ids: Sequence[str]) -> list[str]:
    """Forget those that wait; returns their ids in the order asked."""
    gone = {row[0] for row in step.rows("jobs.cancel", {"ids": json.dumps(ids), "now": step.now})}
    return [id for id in dict.fromkeys(ids) if id in gone]


def clear(step: Step, queue: str) -> int:
    """Forget all jobs of the queue."""
    statements = ("jobs.clear_waiting", "jobs.clear_suspect", "jobs.clear_leased")
    return sum(step.run(name, (queue,)).rowcount for name in statements)


def size(step: Step, queue: str) -> QueueSize:
    """Count the jobs of one queue."""
    row = step.row("jobs.sizes", {"queue": queue, "now": step.now})
    ready, delayed, reserved, *heads = row or (0, 0, 0)
    oldest = min((due for due in heads if due is not None and due <= step.now), default=None)
    return QueueSize(ready, delayed, reserved, None if oldest is None else (step.now - oldest) / MICRO)


def queues(step: Step) -> list[str]:
    """Return the names of all queues that hold a job."""
    return [row[0] for row in step.rows("jobs.queues")]


def page(step: Step, queue: str, state: State, span: Mapping[str, int]) -> list[WaitingJob]:
    """List jobs of one queue in one state; `span` has `limit` and `offset`."""
    rows = step.rows(f"jobs.page_{state}", {"queue": queue, "now": step.now, **span})
    return [_waiting(row, state) for row in rows]


def _state(row: Row, now: int) -> State:
    if row[3]:
        return "reserved"
    return "ready" if row[4] <= now else "delayed"


def _waiting(row: Row, state: State) -> WaitingJob:
    id, queue, name, _, due, attempts, exceptions, crashes, body, tags, group, key = row
    known = tuple(json.loads(tags)) if tags else ()
    return WaitingJob(id, queue, name, state, due / MICRO, attempts, exceptions, crashes, body, known, group, key)
