"""Envelopes, reservations and settlements as values of a statement, and rows as what they stand for."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeVar

import orjson

from asyncq.drivers.postgres.micros import MICRO, micros, micros_or_none
from asyncq.drivers.postgres.texts import readable, stored, unstored
from asyncq.payload import NO_EFFECTS, Effects, Envelope, Released, Reservation, Reserved, Settlement
from asyncq.records import FailedJob, WaitingJob

__all__ = [
    "as_json",
    "ends",
    "failed_fields",
    "pushed",
    "pushed_one",
    "pushed_to",
    "reserved",
    "reserved_again",
    "rung_by",
    "waiting",
]

T = TypeVar("T")
_COSTS: Final = {"nothing": 0, "attempt": 1, "exception": 2}
_NOBODY: Final[tuple[None, ...]] = (None,) * 8


def pushed_one(envelope: Envelope) -> list[Any]:
    """Return the values of `push_one`."""
    unique, group, tags = envelope.unique, envelope.group, envelope.tags
    return [
        envelope.id,
        envelope.queue,
        envelope.name,
        micros_or_none(envelope.due_at),
        micros(envelope.delay),
        stored(unique.key) if unique else None,
        micros_or_none(unique.ttl) if unique else None,
        None if group is None else stored(group),
        json.dumps(tags) if tags else None,
        envelope.body,
    ]


def pushed(envelopes: Sequence[Envelope]) -> list[Any]:
    """Return the columns of `push`."""
    keyed = any(envelope.unique for envelope in envelopes)
    ids = [envelope.id for envelope in envelopes]
    return [
        len(set(ids)) != len(ids),
        ids,
        _once([envelope.queue for envelope in envelopes]),
        _once([envelope.name for envelope in envelopes]),
        _unless_empty([micros_or_none(envelope.due_at) for envelope in envelopes]),
        [micros(delay) for delay in _once([envelope.delay for envelope in envelopes])],
        [stored(one.unique.key) if one.unique else None for one in envelopes] if keyed else None,
        [micros_or_none(one.unique.ttl) if one.unique else None for one in envelopes] if keyed else None,
        _unless_empty([None if envelope.group is None else stored(envelope.group) for envelope in envelopes]),
        _unless_empty([json.dumps(envelope.tags) if envelope.tags else None for envelope in envelopes]),
        [envelope.body for envelope in envelopes],
    ]


def _once(column: list[T]) -> list[T]:
    """Send a column whose values are all the same as one value, as most are."""
    return column[:1] if column.count(column[0]) == len(column) else column


def _unless_empty(column: list[Any]) -> list[Any] | None:
    """Leave out a column that says nothing, as most do: each value of it costs the server time."""
    return None if all(value is None for value in column) else column


def ends(given: Sequence[Settlement]) -> tuple[list[Settlement], Sequence[Any]]:
    """Return the ends in the order of their places, what is over first, and the values that tell them."""
    if not given:
        return [], _NOBODY
    over = [item for item in given if not isinstance(item.outcome, Released)]
    back = [item for item in given if isinstance(item.outcome, Released)] if len(over) < len(given) else []
    ordered = [*over, *back]
    return ordered, (*_fences(over), *_fences(back), *_released(back), _effects(ordered))


def _fences(given: Sequence[Settlement]) -> tuple[list[str] | None, list[str] | None]:
    if not given:
        return None, None
    return [item.reservation.id for item in given], [item.reservation.token for item in given]


def _released(back: Sequence[Settlement]) -> tuple[Any, Any, Any]:
    if not back:
        return None, None, None
    outcomes = [item.outcome for item in back if isinstance(item.outcome, Released)]
    return (
        [micros_or_none(outcome.delay) for outcome in outcomes],
        [_COSTS[outcome.count] for outcome in outcomes],
        [outcome.body for outcome in outcomes],
    )


def _effects(ordered: Sequence[Settlement]) -> str | None:
    """Return all effects as JSON, by kind, each with the place of its end; None where there are none."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for place, item in enumerate(ordered, 1):
        if item.effects is not NO_EFFECTS:  # most have none, and all of those share one value
            for kind, fields in _told(item.effects):
                found.setdefault(kind, []).append({"n": place, **fields})
    return as_json(found) if found else None


def _told(effects: Effects) -> list[tuple[str, Mapping[str, Any]]]:
    told: list[tuple[str, Mapping[str, Any]]] = [("push", {"job": _envelope(one)}) for one in effects.push]
    told += [("unlock", {"key": stored(key), "owner": stored(owner)}) for key, owner in effects.unlock]
    if (strike := effects.strike) is not None:
        told.append(("strike", {"batch": strike.batch, "member": strike.member, "failed": strike.failed}))
    if effects.failed is not None:
        told.append(("failed", failed_fields(effects.failed)))
    if (result := effects.result) is not None:
        told.append(("result", {"id": result.id, "ttl": result.ttl, "body": result.body}))
    rows = effects.outbox
    told += [("outbox", {"id": row.id, "kind": row.kind, "target": row.target, "body": row.body}) for row in rows]
    return told


def _envelope(envelope: Envelope) -> Mapping[str, Any]:
    unique = envelope.unique and {"key": stored(envelope.unique.key), "ttl": envelope.unique.ttl}
    return {
        "id": envelope.id,
        "queue": envelope.queue,
        "name": envelope.name,
        "body": envelope.body,
        "delay": envelope.delay,
        "due_at": envelope.due_at,
        "unique": unique,
        "group": envelope.group,
        "tags": envelope.tags,
    }


def failed_fields(job: FailedJob) -> Mapping[str, Any]:
    """Return the fields of a failed record."""
    return {
        "id": job.id,
        "connection": job.connection,
        "queue": job.queue,
        "name": job.name,
        "body": job.body,
        "error": readable(job.error),
        "traceback": readable(job.traceback),
        "failed_at": job.failed_at,
        "attempts": job.attempts,
        "exceptions": job.exceptions,
        "crashes": job.crashes,
        "group": job.group and stored(job.group),
        "tags": job.tags,
    }


def as_json(value: Any) -> str:
    """Return a value as JSON that the server takes; bytes become base64."""
    # A NUL is the one character that the server's JSON cannot hold.
    return orjson.dumps(value, default=_base64).replace(b"\\u0000", b"\\ufffd").decode()


def _base64(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"an effect cannot carry {value!r}")


def rung_by(given: Sequence[Settlement]) -> set[str]:
    """Return the topics of those who may wait for what these ends bring."""
    topics: set[str] = set()
    for item in given:
        if isinstance(item.outcome, Released):
            # Without a delay it keeps its place, which may lie before where others look.
            topics.add(f"{'h' if item.outcome.delay is None else 'q'}:{item.reservation.queue}")
        if item.effects is not NO_EFFECTS:
            topics |= pushed_to(item.effects.push)
            if item.effects.result is not None:
                topics.add(f"r:{item.effects.result.id}")
            if item.effects.outbox:
                topics.add("o:")
    return topics


def pushed_to(envelopes: Sequence[Envelope]) -> set[str]:
    """Return the topics of those who may wait for these jobs; an instant of a person's may lie anywhere."""
    return {f"{'q' if envelope.due_at is None else 'h'}:{envelope.queue}" for envelope in envelopes}


def reserved(row: Any, queues: Sequence[str], token: str) -> Reserved:
    """Return what `turn` leased."""
    at, wait = row["o_now"] / MICRO, row["wait"]
    due = None if wait is None else wait / MICRO
    if row["o_ids"] is None:
        return Reserved((), row["suspects"], due)
    names = [queue for queue, count in zip(queues, row["o_found"], strict=False) for _ in range(count)]
    columns = zip(
        row["o_ids"], names, row["o_names"], row["o_attempts"], row["o_exceptions"], row["o_crashes"], row["o_bodies"],
        row["o_groups"], row["o_tags"], row["o_keys"], strict=True,
    )  # fmt: skip
    return Reserved(tuple(_reservation(column, token, at) for column in columns), row["suspects"], due)


def reserved_again(rows: Sequence[Any], token: str, ahead: Any, *, alone: bool) -> Reserved:
    """Return what a call leased that ran before, and what a look tells of the others."""
    now, due, suspect = ahead["now"], ahead["due"], ahead["suspect"]
    items = tuple(_reservation(tuple(row)[:-1], token, row["at"] / MICRO) for row in rows)
    waits = suspect is not None and suspect <= now
    soonest = min((at for at in (due, None if waits else suspect) if at is not None), default=now)
    return Reserved(items, waits and not alone, (soonest - now) / MICRO if soonest > now else None)


def _reservation(column: tuple[Any, ...], token: str, at: float) -> Reservation:
    id, queue, name, attempts, exceptions, crashes, body, group, tags, key = column
    return Reservation(
        id, queue, name, token, attempts + 1, exceptions, crashes, body, at,
        group and unstored(group), tuple(json.loads(tags)) if tags else (), key and unstored(key),
    )  # fmt: skip


def waiting(rows: Sequence[Any]) -> list[WaitingJob]:
    """Return the jobs of rows that inspection reads."""
    return [_waiting(row) for row in rows]


def _waiting(row: Any) -> WaitingJob:
    id, queue, name, reserved, ready, due, attempts, exceptions, crashes, body, tags, group, key = row
    state: Literal["ready", "delayed", "reserved"] = "reserved" if reserved else "ready" if ready else "delayed"
    known = tuple(json.loads(tags)) if tags else ()
    return WaitingJob(
        id, queue, name, state, due / MICRO, attempts, exceptions, crashes, body, known,
        group and unstored(group), key and unstored(key),
    )  # fmt: skip
