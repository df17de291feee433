"""Interleaved rounds: a slow minute of the machine strikes all contenders."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks.harness.case import Case
from benchmarks.harness.group import Bench
from benchmarks.harness.outcome import Outcome
from benchmarks.harness.results import Results

__all__ = ["run"]


def run(bench: Bench, rounds: int) -> Results:
    """Run each case in each round, those that are once in the first, and tell on the standard error how far it is."""
    again = [case for case in bench.cases if not case.once]
    return Results(
        [_round(bench, bench.cases if not number else again, f"{number + 1}/{rounds}") for number in range(rounds)]
    )


def _round(bench: Bench, cases: Sequence[Case], progress: str) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for case in cases:
        bench.before_each()
        outcome = case.run()
        outcomes.append(outcome)
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in outcome.figures.items())
        told = outcome.failure or figures
        print(f"round {progress}  {case.contender}  {case.workload}  {told}", file=sys.stderr, flush=True)
    return outcomes
