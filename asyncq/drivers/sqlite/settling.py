"""Ends of attempts, with all their effects."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from asyncq.drivers.sqlite import jobs
from asyncq.drivers.sqlite.instants import micros
from asyncq.drivers.sqlite.leases import lost
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.drivers.sqlite.stores import batches, failed, locks, outbox, results
from asyncq.payload import NO_EFFECTS, Effects, Released, Reservation, Settlement

__all__ = ["settle"]

_FEW: Final = 4
"""So few leases are ended one by one: that is as fast."""


def settle(step: Step, settlements: Sequence[Settlement]) -> list[Reservation]:
    """End the attempts that are still ours, with their effects; returns the stale ones.

    Neighbours of one kind share a statement, and all that was given stays in its order: of two settlements of one
    reservation the first counts.
    """
    stale: list[Reservation] = []
    for back, run in groupby(settlements, _is_back):
        items = list(run)
        fresh = _release(step, items) if back else _forget(step, items)
        _follow(step, items, fresh)
        if not all(fresh):
            stale += lost([item.reservation for item in items], fresh)
    return stale


def _is_back(settlement: Settlement) -> bool:
    return isinstance(settlement.outcome, Released)


class _SomeStale(Exception):
    """Rolls the transaction back: not all leases were ours, and then each must be asked by itself."""


def _forget(step: Step, over: Sequence[Settlement]) -> list[bool]:
    """Forget the jobs: as one statement, which SQLite runs without the interpreter's lock, while all go well."""
    held = [(item.reservation.id, item.reservation.token) for item in over]
    if step.alone or len(held) < _FEW:
        return step.each("leases.forget", held)
    # Of two settlements of one job only the first may count, so they are no pairs of a mapping.
    if len(tokens := dict(held)) != len(held) or not step.all("leases.forget_all", tokens):
        raise _SomeStale
    return [True] * len(held)


def _release(step: Step, back: Sequence[Settlement]) -> list[bool]:
    rows = [_released(item.outcome, item.reservation, step.now) for item in back if isinstance(item.outcome, Released)]
    step.touched.update(item.reservation.queue for item in back)
    return step.each("leases.release", rows)


def _released(outcome: Released, held: Reservation, now: int) -> Row:
    due = None if outcome.delay is None else now + micros(outcome.delay)
    verdict, raised = outcome.count != "nothing", outcome.count == "exception"
    return due, verdict, raised, verdict, outcome.body, held.id, held.token


def _follow(step: Step, settlements: Sequence[Settlement], fresh: Sequence[bool]) -> None:
    for settlement, ours in zip(settlements, fresh, strict=True):
        # Most have none, and all of those share one value.
        if ours and settlement.effects is not NO_EFFECTS:
            _apply(step, settlement.effects)


def _apply(step: Step, effects: Effects) -> None:
    if effects.push:
        jobs.push(step, effects.push)
    for key, owner in effects.unlock:
        locks.release(step, key, owner)
    if effects.strike is not None:
        jobs.push(step, batches.strike(step, effects.strike))
    if effects.failed is not None:
        failed.add(step, (effects.failed,))
    if effects.result is not None:
        results.put(step, effects.result)
    if effects.outbox:
        outbox.put(step, effects.outbox)
