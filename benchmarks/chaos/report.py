"""What a verdict looks like on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from benchmarks.chaos.checker import CROWD, Figures, Verdict
from benchmarks.chaos.outages import Outages

__all__ = ["render"]

EXAMPLES = 5
"""Violations of one rule that are shown."""


def render(title: str, verdict: Verdict) -> str:
    """Return the table of a run, and its violations."""
    rows = "\n".join(f"  {name:<48} {value:>12}" for name, value in _rows(verdict.figures))
    return "\n".join([title, rows, *_violations(verdict)])


def _rows(figures: Figures) -> Iterator[tuple[str, str]]:
    yield "jobs", f"{figures.jobs:,}"
    yield "seconds", f"{figures.seconds:.1f}"
    yield "starts", f"{figures.starts:,}"
    yield "extra starts", f"{figures.extra_starts:,}"
    if figures.kills:
        yield from _of_kills(figures)
    if figures.stalls:
        yield "stalls", f"{figures.stalls}"
        yield "jobs held at the stalls", f"{figures.stalled}"
        yield "late settlements refused", f"{figures.refused}"
    if figures.outages.kills:
        yield from _of_outages(figures.outages)
    if figures.cuts:
        yield "sessions or statements that the server ended", f"{figures.cuts}"


def _of_kills(figures: Figures) -> Iterator[tuple[str, str]]:
    yield "kill -9", f"{figures.kills}"
    yield f"… that hit {CROWD} running handlers or more", f"{figures.crowded:.0%}"
    yield "jobs in flight at the kills", f"{figures.cut:,}"
    yield "… of which the broker was being asked to settle", f"{figures.asked}"
    yield "… and did so, with nobody alive to hear it", f"{figures.unseen}"
    yield "jobs reserved and not started at the kills", f"{figures.held:,}"
    yield "starts of jobs that had crashed twice", f"{figures.suspects}"
    for name, share in {"p50": 0.5, "p99": 0.99, "max": 1.0}.items():
        yield f"restart after the last kill, {name}", f"{figures.restart(share):.2f} s"


def _of_outages(outages: Outages) -> Iterator[tuple[str, str]]:
    yield "deaths of the server", f"{outages.kills}"
    yield f"… that met {CROWD} running handlers or more", f"{outages.crowded(CROWD):.0%}"
    yield "jobs in flight at the server's deaths", f"{outages.met:,}"
    yield "… of which the broker was being asked to settle", f"{outages.in_doubt}"
    yield "jobs that started again for an outage", f"{len(outages.bereft)}"
    yield "server away, max", f"{max(outages.away):.2f} s"
    yield "server's death to the next end, max", f"{max(outages.resumes):.2f} s"


def _violations(verdict: Verdict) -> Iterator[str]:
    counts = Counter(violation.rule for violation in verdict.violations)
    if not counts:
        yield "  no rule was broken"
    for rule, count in counts.items():
        yield f"  BROKEN: {rule} ({count})"
        examples = [violation.text for violation in verdict.violations if violation.rule == rule]
        yield from (f"    {text}" for text in examples[:EXAMPLES])
