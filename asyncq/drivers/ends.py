"""Of several ends of one reservation in a call, the first counts."""

from __future__ import annotations

from collections.abc import Sequence

from asyncq.payload import Reservation, Settlement

__all__ = ["first_ends"]


def first_ends(given: Sequence[Settlement]) -> tuple[list[Settlement], list[Reservation]]:
    """Return the first end of each reservation, and the reservations of those that came later and so are stale."""
    seen: set[tuple[str, str]] = set()
    first: list[Settlement] = []
    late: list[Reservation] = []
    for settlement in given:
        key = (settlement.reservation.id, settlement.reservation.token)
        if key in seen:
            late.append(settlement.reservation)
        else:
            seen.add(key)
            first.append(settlement)
    return first, late
