"""Ends of attempts as arguments of a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from asyncq.drivers.redis.calls import Call, call
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.micros import micros, millis
from asyncq.drivers.redis.wire import Argument, pushed, record
from asyncq.outbox import pack, push_row
from asyncq.payload import NO_EFFECTS, Effects, Envelope, Released, Reservation, Settlement
from asyncq.records import FailedJob, OutboxRow, StoredResult

__all__ = [
    "ends_by_home",
    "failed_fields",
    "result_fields",
    "row_fields",
    "settlements",
    "settling",
    "stale_of",
]


def ends_by_home(keys: Keys, given: Sequence[Settlement]) -> Mapping[str, Sequence[Settlement]]:
    """Sort settlements by the homes of their jobs: one script can reach those of one home."""
    found: dict[str, list[Settlement]] = {}
    for item in given:
        found.setdefault(keys.home(item.reservation.queue), []).append(item)
    return found


def settling(keys: Keys, home: str, given: Sequence[Settlement]) -> Call:
    """Return the call that ends these attempts, all of one home."""
    places = {queue: place for place, queue in enumerate(dict.fromkeys(item.reservation.queue for item in given))}
    return call("settle", [home, *map(keys.base, places)], settlements(keys, given, places))


def stale_of(given: Sequence[Settlement], answer: Sequence[Any]) -> list[Reservation]:
    """Return the reservations that the answer names, by id and token."""
    if not answer:
        return []
    named = {(answer[place].decode(), answer[place + 1].decode()) for place in range(0, len(answer), 2)}
    held = (item.reservation for item in given)
    return [one for one in held if (one.id, one.token) in named]


def settlements(keys: Keys, given: Sequence[Settlement], places: dict[str, int]) -> list[Argument]:
    """Return the arguments for ends of one home; `places` says where the base of a queue stands among the keys.

    Most ends have no effects and no unique key: of those only id and token travel, by queue.
    """
    plain: dict[str, list[Argument]] = {}
    rest: list[Argument] = []
    count = 0
    for settlement in given:
        held = settlement.reservation
        if _is_plain(settlement):
            plain.setdefault(held.queue, []).extend((held.id, held.token))
        else:
            rest += (places[held.queue], held.id, held.token, *_end(settlement), *_effects(keys, settlement))
            count += 1
    arguments: list[Argument] = [len(plain)]
    for queue, pairs in plain.items():
        arguments += (places[queue], len(pairs) // 2, *pairs)
    return [*arguments, count, *rest]


def _is_plain(settlement: Settlement) -> bool:
    return (
        settlement.effects is NO_EFFECTS
        and settlement.reservation.unique_key is None
        and not isinstance(settlement.outcome, Released)
    )


def _end(settlement: Settlement) -> list[Argument]:
    outcome, held = settlement.outcome, settlement.reservation
    if not isinstance(outcome, Released):
        return ["F"]
    extras = held.group, held.tags, held.unique_key
    return [
        "R",
        "" if outcome.delay is None else micros(outcome.delay),
        int(outcome.count != "nothing"),
        int(outcome.count == "exception"),
        b"" if outcome.body is None else record(held.queue, held.name, outcome.body, extras),
    ]


def _effects(keys: Keys, settlement: Settlement) -> list[Argument]:
    effects = settlement.effects
    if keys.clustered:
        effects = _in_one_slot(effects, settlement.reservation)
    told: list[list[Argument]] = [_push(keys, envelope) for envelope in effects.push]
    told += [list[Argument](("unlock", key, owner)) for key, owner in effects.unlock]
    if effects.strike is not None:
        told.append(["strike", effects.strike.batch, effects.strike.member, int(effects.strike.failed)])
    if effects.failed is not None:
        told.append(["failed", *failed_fields(effects.failed)])
    if effects.result is not None:
        told.append(["result", *result_fields(effects.result)])
    told += [["outbox", *row_fields(row)] for row in effects.outbox]
    return [len(told), *(argument for fields in told for argument in fields)]


def _push(keys: Keys, envelope: Envelope) -> list[Argument]:
    return ["push", keys.base(envelope.queue), envelope.queue, *pushed(envelope)]


def failed_fields(job: FailedJob) -> list[Argument]:
    """Return the fields of a failed record."""
    return [job.id, micros(job.failed_at) or "", job.queue, job.name, pack(job)]


def result_fields(result: StoredResult) -> list[Argument]:
    """Return the fields of a result; its life is kept beside its body."""
    return [result.id, millis(result.ttl), b"%b\n%b" % (repr(result.ttl).encode(), result.body)]


def row_fields(row: OutboxRow) -> list[Argument]:
    """Return the fields of an outbox row."""
    return [row.id, row.kind, row.target, row.body]


def _in_one_slot(effects: Effects, held: Reservation) -> Effects:
    """Turn what lies in other slots into rows of the queue's own outbox, whose ids a repeat gives again."""
    rows = [push_row(envelope, "") for envelope in effects.push if envelope.queue != held.queue]
    rows += [OutboxRow(f"unlock:{held.token}:{pair[0]}", "unlock", "", pack(pair)) for pair in effects.unlock]
    if effects.strike is not None:
        rows.append(OutboxRow(f"strike:{held.id}:{held.token}", "strike", "", pack(effects.strike)))
    if effects.failed is not None:
        rows.append(OutboxRow(f"failed:{held.id}:{held.token}", "failed", "", pack(effects.failed)))
    if effects.result is not None:
        rows.append(OutboxRow(f"result:{held.id}:{held.token}", "result", "", pack(effects.result)))
    near = tuple(envelope for envelope in effects.push if envelope.queue == held.queue)
    return Effects(push=near, outbox=(*effects.outbox, *rows))
