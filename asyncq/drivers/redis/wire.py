"""Jobs as the scripts take and give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from asyncq.drivers.redis.keys import queue_of, tag
from asyncq.drivers.redis.micros import MICRO, micros
from asyncq.payload import Envelope, Reservation
from asyncq.records import WaitingJob

__all__ = ["Argument", "pushed", "record", "reservations", "waiting"]

Argument = str | bytes | int


def pushed(envelope: Envelope) -> list[Argument]:
    """Return the fields of a job to store: id, kind of its due time, µs, unique key, life of the key, record."""
    return [envelope.id, *placed(envelope)]


def placed(envelope: Envelope) -> list[Argument]:
    """Return the same without the id."""
    unique = envelope.unique
    timed = envelope.due_at is not None
    return [
        "a" if timed else "d",
        micros(envelope.due_at if envelope.due_at is not None else envelope.delay),
        "" if unique is None else unique.key,
        "" if unique is None or unique.ttl is None else micros(unique.ttl),
        record(envelope.queue, envelope.name, envelope.body, _extras(envelope)),
    ]


def _extras(envelope: Envelope) -> tuple[str | None, Sequence[str], str | None]:
    return envelope.group, envelope.tags, envelope.unique.key if envelope.unique else None


def record(queue: str, name: str, body: bytes, extras: tuple[str | None, Sequence[str], str | None]) -> bytes:
    """Pack what never changes about a job: queue, name and extras in two lines, then the body.

    The extras are group, tags and unique key. The scripts read no more than the first line, and whether the second one
    begins as a list, which only jobs with extras have.
    """
    listed = any(extras) or name.startswith("[") or "\n" in name
    head = orjson.dumps([name, *extras]) if listed else name.encode()
    return b"%b\n%b\n%b" % (tag(queue).encode(), head, body)


def _opened(packed: bytes) -> tuple[str, str | None, tuple[str, ...], str | None, bytes]:
    """Undo `record`: name, group, tags, unique key, body."""
    _, head, body = packed.split(b"\n", 2)
    if head.startswith(b"["):
        name, group, tags, key = orjson.loads(head)
        return name, group, tuple(tags), key, body
    return head.decode(), None, (), None, body


def reservations(columns: Sequence[Any], queue: str, token: str, reserved_at: float) -> list[Reservation]:
    """Read what a reserve says of one queue: id, counters, record and whether the unique key is held, for each job."""
    found: list[Reservation] = []
    for place in range(0, len(columns), 4):
        id, count, packed, keyed = columns[place : place + 4]
        attempts, exceptions, crashes = _counters(count) if count else (0, 0, 0)
        name, group, tags, key, body = _opened(packed)
        found.append(
            Reservation(
                id.decode(), queue, name, token, attempts + 1, exceptions, crashes, body, reserved_at,
                group, tags, key if keyed else None,
            )
        )  # fmt: skip
    return found


def waiting(columns: Sequence[Any]) -> list[WaitingJob]:
    """Read what inspection says: now, and six columns of each job."""
    now = int(columns[0])
    found: list[WaitingJob] = []
    for place in range(1, len(columns), 6):
        id, leased, due_at, count, packed, keyed = columns[place : place + 6]
        name, group, tags, key, body = _opened(packed)
        attempts, exceptions, crashes = _counters(count or b"0:0:0")
        due = float(due_at)
        found.append(
            WaitingJob(
                id=id.decode(),
                queue=queue_of(packed.partition(b"\n")[0].decode()),
                name=name,
                state="reserved" if leased else "ready" if due <= now else "delayed",
                due_at=due / MICRO,
                attempts=attempts,
                exceptions=exceptions,
                crashes=crashes,
                body=body,
                tags=tags,
                group=group,
                unique_key=key if keyed else None,
            )
        )
    return found


def _counters(text: bytes) -> tuple[int, int, int]:
    attempts, exceptions, crashes = text.split(b":")
    return int(attempts), int(exceptions), int(crashes)
