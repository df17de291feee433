"""Interleaved rounds: a slow minute of the machine strikes all contenders."""

from __future__ import annotations

import sys

from benchmarks.harness.group import Bench
from benchmarks.harness.outcome import Outcome
from benchmarks.harness.results import Results

__all__ = ["run"]


def run(bench: Bench, rounds: int) -> Results:
    """Run each case once in each round, and tell on the standard error how far it is."""
    return Results([_round(bench, f"{number}/{rounds}") for number in range(1, rounds + 1)])


def _round(bench: Bench, progress: str) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for case in bench.cases:
        bench.before_each()
        outcome = case.run()
        outcomes.append(outcome)
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in outcome.figures.items())
        told = outcome.failure or figures
        print(f"round {progress}  {case.contender}  {case.workload}  {told}", file=sys.stderr, flush=True)
    return outcomes
