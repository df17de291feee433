"""Results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness.results import Figure, Judged, Results, Spread

__all__ = ["Column", "failures", "grid", "listing", "number", "ratios"]

NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Column:
    """A heading, and the figures of one workload that stand below it, side by side."""

    heading: str
    workload: str
    names: tuple[str, ...]


def number(value: float) -> str:
    """Three digits and no more: `45,200`, `3.28`, `0.31`."""
    if value >= 1000:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}" if value >= 1 else f"{value:.2g}"


def grid(results: Results, columns: Sequence[Column]) -> Iterator[str]:
    """Yield one row for each contender, one column for each kind of figure of the workloads that ran."""
    ran = {one.workload for outcomes in results.rounds for one in outcomes}
    columns = [column for column in columns if column.workload in ran]
    yield "| |" + "".join(f" {column.heading} |" for column in columns)
    yield "|---|" + "--:|" * len(columns)
    for contender in results.contenders:
        yield f"| {contender} |" + "".join(f" {_cell(results, contender, column)} |" for column in columns)


def _cell(results: Results, contender: str, column: Column) -> str:
    if results.failure(contender, column.workload):
        return "failed"
    found = [results.spread(Figure(contender, column.workload, name)) for name in column.names]
    if not any(found):
        return NOTHING
    return " / ".join(NOTHING if one is None else number(one.median) for one in found)


def listing(results: Results, units: dict[str, str]) -> Iterator[str]:
    """Yield one row for each contender, with all figures in one cell."""
    yield "| case | figures |"
    yield "|---|---|"
    for contender in results.contenders:
        figures = [Figure(contender, "", name) for name in results.names(contender, "")]
        shown = [f"{number(one.median)} {units[f.name]}" for f in figures if (one := results.spread(f))]
        yield f"| {contender} | {' · '.join(shown) or 'failed'} |"


def ratios(judged: Iterable[Judged]) -> Iterator[str]:
    """Yield one row for each target."""
    yield "| ratio, or figure | median | lowest to highest | to ship | |"
    yield "|---|--:|---|--:|---|"
    for one in judged:
        yield f"| {one.target.title} | {_median(one.spread)} | {_range(one.spread)} | {_asked(one)} | {_said(one)} |"


def _median(spread: Spread | None) -> str:
    return NOTHING if spread is None else number(spread.median)


def _range(spread: Spread | None) -> str:
    return NOTHING if spread is None else f"{number(spread.lowest)} to {number(spread.highest)}"


def _asked(judged: Judged) -> str:
    least, most = judged.target.at_least, judged.target.at_most
    return " ".join(
        [*([f"≥ {least:,g}"] if least is not None else []), *([f"≤ {most:,g}"] if most is not None else [])]
    )


def _said(judged: Judged) -> str:
    if judged.spread is None:
        return "not measured"
    return {True: "met", False: "**missed**", None: ""}[judged.met]


def failures(results: Results) -> Iterator[str]:
    """Yield one line for each case that failed, with the reason."""
    workloads = dict.fromkeys(one.workload for outcomes in results.rounds for one in outcomes)
    for contender in results.contenders:
        for workload in workloads:
            if reason := results.failure(contender, workload):
                case = f"{contender}, {workload}" if workload else contender
                yield f"- {case} failed: `{reason.replace('`', chr(39))}`"
