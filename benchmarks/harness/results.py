"""The outcomes of all rounds, asked for medians and ratios."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.harness.outcome import Outcome

__all__ = ["Figure", "Judged", "Results", "Spread", "Target"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that a contender has at a workload."""

    contender: str
    workload: str
    name: str


@dataclass(frozen=True, slots=True)
class Spread:
    """A number over the rounds."""

    median: float
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, alone or by another one, and how high it must or may be."""

    title: str
    figure: Figure
    by: Figure | None = None
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float) -> bool | None:
        """Whether the value is good enough; None where nothing is asked."""
        if self.at_least is None and self.at_most is None:
            return None
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


@dataclass(frozen=True, slots=True)
class Judged:
    """A target and what came of it; without a spread where a case failed."""

    target: Target
    spread: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether the median is good enough; None where nothing is asked, or nothing was measured."""
        return None if self.spread is None else self.target.met(self.spread.median)


class Results:
    """All rounds of one group."""

    def __init__(self, rounds: Sequence[Sequence[Outcome]]) -> None:
        self.rounds = rounds
        self._found = [{(one.contender, one.workload): one for one in outcomes} for outcomes in rounds]

    @property
    def contenders(self) -> list[str]:
        """In the order in which they ran."""
        return list(dict.fromkeys(one.contender for outcomes in self.rounds for one in outcomes))

    @property
    def speed(self) -> Spread:
        """How quick the machine was in the course of the rounds."""
        return _spread([one.speed for outcomes in self.rounds for one in outcomes])

    def names(self, contender: str, workload: str) -> list[str]:
        """The names of the figures that a contender has."""
        found = [each[contender, workload].figures for each in self._found if (contender, workload) in each]
        return list(dict.fromkeys(name for figures in found for name in figures))

    def spread(self, figure: Figure) -> Spread | None:
        """Median, lowest and highest of a figure; None where no round has it."""
        values = [value for value in self._values(figure) if value is not None]
        return _spread(values) if values else None

    def failure(self, contender: str, workload: str) -> str:
        """Why a case failed in some round; empty if it never did."""
        outcomes = (each.get((contender, workload)) for each in self._found)
        return next((one.failure for one in outcomes if one is not None and one.failure), "")

    def judge(self, target: Target) -> Judged:
        """Take the ratio round by round, since the machine's speed drifts from one to the next."""
        above = self._values(target.figure)
        below = self._values(target.by) if target.by else [1.0] * len(above)
        ratios = [one / other for one, other in zip(above, below, strict=True) if one is not None and other]
        return Judged(target, _spread(ratios) if ratios else None)

    def _values(self, figure: Figure) -> list[float | None]:
        return [self._value(each.get((figure.contender, figure.workload)), figure.name) for each in self._found]

    @staticmethod
    def _value(outcome: Outcome | None, name: str) -> float | None:
        return None if outcome is None else outcome.figures.get(name)


def _spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))
