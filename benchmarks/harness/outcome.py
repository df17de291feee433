"""What one process measured."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Figures", "Outcome"]

Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures of one contender at one workload in one round, or why there are none.

    `speed` is that of the machine just before, in millions of steps of a bare loop per second.
    """

    contender: str
    workload: str
    figures: Figures
    failure: str = ""
    speed: float = 0.0
