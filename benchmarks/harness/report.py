"""The text of a group, put in its place in RESULTS.md; its raw figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness import host, table
from benchmarks.harness.case import Case
from benchmarks.harness.group import Bench, Group
from benchmarks.harness.results import Figure, Results, Target

__all__ = ["RESULTS", "replaced", "section", "write", "write_raw"]

RESULTS = Path(__file__).parents[1] / "RESULTS.md"
RAW = Path(__file__).parents[1] / "results"


def section(group: Group, bench: Bench, results: Results, jobs: int) -> str:
    """Return the group's part of RESULTS.md, without its heading."""
    command = f"python -m benchmarks {group.name} --jobs {jobs} --rounds {len(results.rounds)}"
    parts = [
        f"`{command}`: medians of interleaved rounds.",
        f"{host.line()}. {_versions(bench)}.",
        *group.caveats,
        _drift(results),
        "\n".join(group.table(results)),
        "\n".join(table.ratios(results.judge(target) for target in _asked(group, bench))),
        "\n".join(table.failures(results)),
    ]
    return "\n\n".join(part for part in parts if part)


def _asked(group: Group, bench: Bench) -> list[Target]:
    """Leave out the targets of cases that were not chosen; those of cases that failed stay."""
    chosen = {(case.contender, case.workload) for case in bench.cases}

    def is_chosen(figure: Figure | None) -> bool:
        return figure is None or (figure.contender, figure.workload) in chosen

    return [target for target in group.targets if is_chosen(target.figure) and is_chosen(target.by)]


def _versions(bench: Bench) -> str:
    environments = dict.fromkeys(case.packages for case in bench.cases if case.packages)
    return "; ".join([bench.versions, *(_environment(packages) for packages in environments)])


def _environment(packages: Sequence[str]) -> str:
    first, *others = [package.replace("==", " ") for package in packages]
    return f"{first} ({', '.join(others)})" if others else first


def _drift(results: Results) -> str:
    speed = results.speed
    lowest, highest = speed.lowest / speed.median, speed.highest / speed.median
    return (
        f"The machine's own speed, taken before each case, was between {lowest:.2f} and {highest:.2f} of its median: "
        "trust the ratios, taken round by round, and the CPU per job."
    )


def replaced(text: str, title: str, body: str) -> str:
    """Put the body below its heading of the second level; a heading that is not there yet comes last."""
    head, *sections = text.rstrip("\n").split("\n## ")
    kept = {one.split("\n", 1)[0]: one for one in sections}
    kept[title] = f"{title}\n\n{body.strip()}\n"
    return "\n## ".join([head.rstrip("\n") + "\n", *(one.rstrip("\n") + "\n" for one in kept.values())])


def write(group: Group, text: str) -> None:
    """Put the group's text into RESULTS.md; the other groups keep theirs."""
    RESULTS.write_text(replaced(RESULTS.read_text(), group.title, text))


def write_raw(group: Group, bench: Bench, results: Results) -> Path:
    """Write every figure of every round, with the versions of all that ran."""
    RAW.mkdir(exist_ok=True)
    path = RAW / f"{group.name}.json"
    path.write_text(json.dumps(_raw(bench, results), indent=1) + "\n")
    return path


def _raw(bench: Bench, results: Results) -> dict[str, object]:
    return {
        "host": host.facts(),
        "measured": bench.versions,
        "distributions": host.versions(bench.cases),
        "commands": dict(_commands(bench.cases)),
        "rounds": [[asdict(outcome) for outcome in outcomes] for outcomes in results.rounds],
    }


def _commands(cases: Sequence[Case]) -> Iterator[tuple[str, str]]:
    for case in cases:
        yield f"{case.contender}, {case.workload}", " ".join([case.module, *case.arguments])
