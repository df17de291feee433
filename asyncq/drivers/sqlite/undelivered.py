"""Reservations that were made but have not reached their caller: the keeper keeps their leases too."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from asyncq.payload import Reservation

__all__ = ["Undelivered"]


class Undelivered:
    """A set that the writer's thread fills, the caller's loop empties, and the keeper's thread reads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[object, Sequence[Reservation]] = {}

    def add(self, call: object, held: Sequence[Reservation]) -> None:
        """Note what a call reserved, before its answer leaves for the loop."""
        with self._lock:
            self._held[call] = held

    def take(self, call: object) -> Sequence[Reservation]:
        """Forget a call, and return what it had reserved."""
        with self._lock:
            return self._held.pop(call, ())

    def all(self) -> list[Reservation]:
        """Return everything that is under way."""
        with self._lock:
            return [held for items in self._held.values() for held in items]
