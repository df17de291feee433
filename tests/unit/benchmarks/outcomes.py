"""Rounds as a run of the benchmarks leaves them."""

from __future__ import annotations

from benchmarks.harness.outcome import Outcome
from benchmarks.harness.results import Results

__all__ = ["failed", "measured", "results"]


def measured(contender: str, rate: float, workload: str = "work", speed: float = 10.0) -> Outcome:
    """A case that went well."""
    return Outcome(contender, workload, {"rate": rate}, speed=speed)


def failed(contender: str, reason: str, workload: str = "work") -> Outcome:
    """A case that did not."""
    return Outcome(contender, workload, {}, failure=reason, speed=10.0)


def results(*rounds: list[Outcome]) -> Results:
    """All rounds together."""
    return Results(rounds)
