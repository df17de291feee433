"""Calls of scripts as values: what to send, for the loop's client and for the keeper's alike."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.scripts import Script, script
from asyncq.drivers.redis.wire import Argument, pushed
from asyncq.payload import Envelope, Reservation

__all__ = ["Call", "call", "extending", "new_token", "pushing", "reserving"]

PUSHED_AT_ONCE: Final = 500
"""Jobs in one script, so that it holds up the server for a few milliseconds only."""


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a script. Sent again as it is, it gets its first answer again."""

    script: Script
    keys: Sequence[str]
    arguments: Sequence[Argument]

    @property
    def short(self) -> tuple[Argument, ...]:
        """The command for a server that knows the script."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.arguments)

    @property
    def whole(self) -> tuple[Argument, ...]:
        """The command for one that does not: it learns the script, on the node that is meant, and runs it."""
        return ("EVAL", self.script.source, len(self.keys), *self.keys, *self.arguments)


def new_token() -> str:
    """Return 128 random bits: the fence of a reserve, or the name of an operation."""
    return secrets.token_hex(16)


def call(name: str, keys: Sequence[str], arguments: Iterable[Argument] = ()) -> Call:
    """Make a call; where a repeat would do harm, with an operation's id in front."""
    found = script(name)
    if len(keys) == 1:
        # None of the keys that a script names exists: they are beginnings of names. So while a slot moves from node to
        # node, one that names two is refused by both until all is there; one that names one would run on half the keys.
        keys = [*keys, f"{keys[0]}:"]
    return Call(found, keys, [new_token(), *arguments] if found.once else [*arguments])


def pushing(keys: Keys, envelopes: Sequence[Envelope]) -> list[tuple[Call, Sequence[int]]]:
    """Return the calls that store the envelopes, each with the places of its envelopes."""
    places: dict[str, list[int]] = {}
    for place, envelope in enumerate(envelopes):
        places.setdefault(keys.home(envelope.queue), []).append(place)
    calls: list[tuple[Call, Sequence[int]]] = []
    for home, mine in places.items():
        for start in range(0, len(mine), PUSHED_AT_ONCE):
            some = mine[start : start + PUSHED_AT_ONCE]
            calls.append((_push(keys, home, [envelopes[place] for place in some]), some))
    return calls


def _push(keys: Keys, home: str, envelopes: Sequence[Envelope]) -> Call:
    """Neighbours of one queue share a key; all stay in their order, since the first of an id or a unique key wins."""
    bases, arguments = [home], list[Argument]()
    for queue, run in groupby(envelopes, lambda envelope: envelope.queue):
        jobs = list(run)
        bases.append(keys.base(queue))
        arguments += (queue, len(jobs))
        for job in jobs:
            arguments += pushed(job)
    return call("push", bases, arguments)


def reserving(keys: Keys, home: str, queues: Sequence[str], token: str, rest: Sequence[Argument]) -> Call:
    """Return the call that leases jobs of queues with one home; `rest` is lease in µs, limit, and 1 for alone."""
    return call("reserve", [home, *map(keys.base, queues)], [token, *rest])


def extending(
    keys: Keys, held: Sequence[Reservation], under_way: Mapping[str, Sequence[str]], lease: int
) -> list[tuple[Call, Sequence[Reservation]]]:
    """Return the calls that restart leases, each with its reservations in the order of its answer.

    `under_way` has tokens of reserves that were not answered yet, and the queues that each one asked.
    """
    mine: dict[str, list[Reservation]] = {}
    for reservation in held:
        mine.setdefault(reservation.queue, []).append(reservation)
    tokens = {queue: [token for token, asked in under_way.items() if queue in asked] for queue in _named(under_way)}
    calls: list[tuple[Call, Sequence[Reservation]]] = []
    for home, queues in keys.groups([*mine, *tokens]).items():
        some = sorted({token for queue in queues for token in tokens.get(queue, ())})
        arguments: list[Argument] = [lease, len(some), *some]
        for queue in queues:
            arguments.append(len(mine.get(queue, ())))
            for item in mine.get(queue, ()):
                arguments += (item.id, item.token)
        ordered = [item for queue in queues for item in mine.get(queue, ())]
        calls.append((call("extend", [home, *map(keys.base, queues)], arguments), ordered))
    return calls


def _named(under_way: Mapping[str, Sequence[str]]) -> list[str]:
    return list(dict.fromkeys(queue for asked in under_way.values() for queue in asked))
