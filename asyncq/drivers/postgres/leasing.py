"""Leases that are restarted and attempts that end, over whichever link."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence

from asyncq.drivers.postgres.link import Link, Told
from asyncq.drivers.postgres.wire import ends
from asyncq.payload import Reservation, Settlement

__all__ = ["extend", "new_token", "settle", "stale_of"]


def new_token() -> str:
    """Return 128 random bits: the fence of a reserve, and the name of an operation."""
    return secrets.token_hex(16)


async def extend(
    link: Link, held: Sequence[Reservation], lease: int, under_way: Mapping[str, Sequence[str]]
) -> list[Reservation]:
    """Restart leases of `lease` microseconds; returns those that were lost. Raises as the link does.

    `under_way` has tokens of reserves that were not answered yet, and the queues that each one asked.
    """
    if not held and not under_way:
        return []
    queues = sorted({queue for asked in under_way.values() for queue in asked})
    ids, tokens = [item.id for item in held], [item.token for item in held]
    rows = await link.run("extend", ids, tokens, queues or None, sorted(under_way) or None, lease)
    return [held[place - 1] for place in rows[0][0]]


async def settle(link: Link, settlements: Sequence[Settlement], op: str | None = None) -> list[Reservation]:
    """End attempts; returns those that were stale. Raises as the link does."""
    if not settlements:
        return []
    ordered, values = ends(settlements)
    try:
        places = (await link.call("turn", op or new_token(), *values, None, None, None, 0, 0, False))["stale"]
    except Told as told:
        places = json.loads(told.answer or "[]")
    return stale_of(ordered, places)


def stale_of(ordered: Sequence[Settlement], places: Sequence[int]) -> list[Reservation]:
    """Return the reservations at the places (from 1) that a call answered."""
    return [ordered[place - 1].reservation for place in places]
