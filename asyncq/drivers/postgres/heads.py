"""Where the living part of each queue begins, as far as this process has seen.

What is deleted stays in the tables and their indexes until autovacuum comes, and for as long as any transaction of the
database is open that began before. Each look for the head of a queue would walk through all of it: 100,000 dead rows
cost 300 ms. So a look begins a little before the place where the one before found the first living job.

Before that place a job can appear: one that was handed back, one whose lease ran out, one that was pushed by a long
transaction. Who makes it appear tells so, and now and then a look begins at the very start.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from asyncq.drivers.postgres.micros import MICRO

__all__ = ["Heads", "View"]

MARGIN: Final = MICRO // 2
"""Microseconds that a look begins before the head: so long a push may take from its instant to its commit."""
OFTEN: Final = 1.0
"""Seconds between two looks from the very start, where these are quick."""
SHARE: Final = 20
"""Where they are slow, they take no more than this part of the time."""


@dataclass(frozen=True, slots=True)
class View:
    """From where one look begins; None and 0 are the very start, `leases_from` None looks at no lease."""

    heads: list[int] | None
    leases_from: int | None
    began_at: float


class Heads:
    """Changed by the loop, and told of changes by the keeper's thread."""

    def __init__(self, lease: float) -> None:
        self._reclaim_every = min(1.0, lease / 30)
        self._heads: dict[str, int] = {}
        self._leases: dict[str, tuple[int, float]] = {}
        """From where on leases of a queue may have run out, and the monotonic instant of the next look at them."""
        self._whole_at = 0.0
        """Monotonic instant of the next look from the very start."""

    def view(self, queues: Sequence[str], *, waits: bool = False) -> View:
        """Say from where to look now; who only waits sees the leases each time."""
        now = time.monotonic()
        if now >= self._whole_at:
            return View(None, 0, now)
        heads = [self._heads.get(queue, 0) for queue in queues]
        leases = [self._leases.get(queue, (0, 0.0)) for queue in queues]
        looks = waits or any(now >= next_at for _, next_at in leases)
        return View(heads, min((since for since, _ in leases), default=0) if looks else None, now)

    def learn(self, queues: Sequence[str], view: View, row: Any) -> None:
        """Take over what a turn saw."""
        now = row["o_now"]
        for queue, head in zip(queues, row["heads"], strict=True):
            self._heads[queue] = now - MARGIN if head is None else min(head, now - MARGIN)
        if view.leases_from is not None and row["reclaimed"] == 0:
            for queue in queues:
                self._leases[queue] = now - MARGIN, view.began_at + self._reclaim_every
        self.looked(view)

    def looked(self, view: View) -> None:
        """Note how long a look from the very start took."""
        if view.heads is None:
            ended_at = time.monotonic()
            self._whole_at = ended_at + max(OFTEN, SHARE * (ended_at - view.began_at))

    def expired(self, queues: Iterable[str]) -> None:
        """A lease of these queues has run out: the next turn shall take it back."""
        for queue in queues:
            since, _ = self._leases.get(queue, (0, 0.0))
            self._leases[queue] = since, 0.0

    def forget(self, queues: Iterable[str]) -> None:
        """Begin at the very start of these queues: a job may be there."""
        for queue in queues:
            self._heads.pop(queue, None)
