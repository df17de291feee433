"""Slots that owners hold for a time, in a transaction of the caller's."""

from __future__ import annotations

from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.step import Step
from asyncq.records import LimitState

__all__ = ["clear", "extend", "free", "state", "take"]


def take(step: Step, name: str, owner: str, limit: int, ttl: float) -> LimitState:
    """Take a slot if fewer than `limit` are held, or restart this owner's."""
    held = _count(step, name)
    owned = step.row("stores.slot_owned", (name, owner, step.now)) is not None
    if not owned and held >= limit:
        return _state(step, name, limit, held)
    step.run("stores.slot_tidy", (name, step.now))
    step.run("stores.slot_take", (name, owner, step.now + micros(ttl)))
    return LimitState(True, max(0, limit - held - (not owned)), 0.0)


def state(step: Step, name: str, limit: int) -> LimitState:
    """Say how many slots are free."""
    return _state(step, name, limit, _count(step, name))


def extend(step: Step, name: str, owner: str, ttl: float) -> bool:
    """Restart this owner's slot, if it is held."""
    return step.run("stores.slot_extend", (step.now + micros(ttl), name, owner, step.now)).rowcount == 1


def free(step: Step, name: str, owner: str) -> bool:
    """Free this owner's slot."""
    return step.run("stores.slot_free", (name, owner, step.now)).rowcount == 1


def clear(step: Step, name: str) -> None:
    """Free all."""
    step.run("stores.slot_clear", (name,))


def _count(step: Step, name: str) -> int:
    row = step.row("stores.slot_count", (name, step.now))
    return int(row[0]) if row else 0


def _state(step: Step, name: str, limit: int, held: int) -> LimitState:
    left = max(0, limit - held)
    if left or not held:
        return LimitState(left > 0, left, 0.0)
    # There is room when so many have ended that fewer than the limit are left, which may have been lowered.
    row = step.row("stores.slot_end", (name, step.now, min(held - limit, held - 1)))
    return LimitState(False, 0, (row[0] - step.now) / MICRO if row else 0.0)
