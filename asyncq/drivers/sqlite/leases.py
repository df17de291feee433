"""Reservations: leased, extended, given back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from functools import lru_cache

from asyncq.drivers.sqlite.instants import MICRO
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.payload import Reservation, Reserved

__all__ = ["ahead", "extend", "give_back", "lost", "names", "reserve"]


@lru_cache(maxsize=256)
def names(queues: tuple[str, ...]) -> str:
    """Return the names, each once and in their order, as a JSON list for a statement."""
    return json.dumps(list(dict.fromkeys(queues)))


def reserve(step: Step, queues: tuple[str, ...], lease: int, *, limit: int, alone: bool) -> Reserved:
    """Take back expired leases, lease up to `limit` due jobs for `lease` microseconds, look at what is left."""
    asked = names(queues)
    step.run("leases.reclaim", (asked, step.now))
    token = f"{secrets.token_hex(16)}-"
    items: list[Reservation] = []
    statement, room = ("leases.lease_alone", 1) if alone else ("leases.lease", max(0, limit))
    for queue in dict.fromkeys(queues):
        if room > len(items):
            rows = step.rows(statement, (token, step.now + lease, queue, step.now, room - len(items)))
            rows.sort()
            items.extend(_reservations(rows, step.now / MICRO))
    due, suspect, _ = ahead(step, asked)
    ready = suspect is not None and suspect <= step.now
    return Reserved(tuple(items), ready and not alone, _next_due(due, suspect, step.now))


def ahead(step: Step, asked: str) -> tuple[int | None, int | None, int | None]:
    """Return the earliest due of healthy jobs, of suspects, and the earliest end of a lease, in these queues."""
    row = step.row("leases.ahead", (asked,))
    return row if row is not None and len(row) == 3 else (None, None, None)


def extend(step: Step, held: Sequence[Reservation], lease: int) -> list[bool]:
    """Restart the lease of each; says for each whether it was still held."""
    return step.each("leases.extend", [(step.now + lease, item.id, item.token) for item in held])


def lost(held: Sequence[Reservation], kept: Sequence[bool]) -> list[Reservation]:
    """Return the reservations whose fence did not hold."""
    return [item for item, fresh in zip(held, kept, strict=False) if not fresh]


def give_back(step: Step, held: Sequence[Reservation]) -> None:
    """Undo reservations that nobody received: to their old places, nothing counted."""
    step.each("leases.give_back", [(item.id, item.token) for item in held])
    step.touched.update(item.queue for item in held)


def _reservations(rows: Sequence[Row], at: float) -> list[Reservation]:
    return [
        Reservation(
            id, queue, name, token, attempts + 1, exceptions, crashes, body, at,
            group, tuple(json.loads(tags)) if tags else (), key,
        )
        for _, id, queue, name, token, attempts, exceptions, crashes, body, group, tags, key in rows
    ]  # fmt: skip


def _next_due(due: int | None, suspect: int | None, now: int) -> float | None:
    if due is not None and due <= now:
        return None
    # A suspect that is due is no reason to look again soon: it waits for a worker that takes it alone.
    later = [at for at in (due, suspect) if at is not None and at > now]
    return (min(later) - now) / MICRO if later else None
