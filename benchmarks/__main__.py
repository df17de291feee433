"""`python -m benchmarks`: asyncq beside hand-written loops and beside huey, in one interleaved run.

Each round runs every case once, in a process of its own, so that a slow minute of the machine strikes all of them; the
table shows the median of each case and of each ratio, taken round by round. Every case checks that each job ran once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.rivals.environments import python_with

HUEY = "huey==3.5.4"
RESULTS = Path(__file__).with_name("RESULTS.md")
Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Case:
    """One process of a round."""

    title: str
    command: tuple[str, ...]

    def run(self) -> Figures:
        """Return what the process printed."""
        done = subprocess.run(self.command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{self.title} failed:\n{done.stderr}")
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures


def _ours(title: str, case: str, jobs: int, synchronous: str = "NORMAL") -> Case:
    return Case(title, (sys.executable, "-m", "benchmarks.engine.cases", case, str(jobs), synchronous))


def cases(jobs: int) -> list[Case]:
    """Return the cases in the order of a round."""
    huey = Path(__file__).with_name("rivals") / "huey_sqlite.py"
    return [
        _ours("hand loop, tasks", "hand_tasks", jobs),
        _ours("memory, no-op", "worked_memory", jobs),
        _ours("hand loop, SQLite", "hand_sqlite", jobs),
        _ours("SQLite NORMAL, no-op", "worked_sqlite", jobs),
        _ours("SQLite FULL, no-op", "worked_sqlite", jobs, "FULL"),
        Case("huey on SQLite, 1 thread", (str(python_with(HUEY)), str(huey), str(min(jobs, 20_000)))),
        _ours("SQLite, enqueue", "enqueue", min(jobs, 20_000)),
        _ours("SQLite, latency", "latency", 300),
        _ours("idle worker, SQLite", "idle", 1),
    ]


RATIOS = (
    ("memory, no-op", "hand loop, tasks", "rate", 0.35),
    ("SQLite NORMAL, no-op", "hand loop, SQLite", "rate", None),
    ("SQLite NORMAL, no-op", "huey on SQLite, 1 thread", "rate", 1.3),
)
"""Case, compared with, figure, target."""


def main() -> None:
    """Run the rounds, print the table and write it down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure throughput and latency.")
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-write", action="store_true", help=f"leave {RESULTS.name} as it is")
    asked = parser.parse_args()
    rounds = [_round(number, asked.rounds, cases(asked.jobs)) for number in range(1, asked.rounds + 1)]
    text = "\n".join([*_head(asked.jobs, asked.rounds), "", *_table(rounds), "", *_ratios(rounds), ""])
    print(text)
    if not asked.no_write:
        RESULTS.write_text(text)


def _round(number: int, of: int, todo: list[Case]) -> dict[str, Figures]:
    print(f"round {number} of {of}", file=sys.stderr)
    return {case.title: case.run() for case in todo}


def _head(jobs: int, rounds: int) -> Iterator[str]:
    yield "# Results"
    yield ""
    yield f"`python -m benchmarks --jobs {jobs} --rounds {rounds}`: medians of interleaved rounds, concurrency 50."
    yield ""
    yield (
        f"CPython {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores, "
        f"SQLite {sqlite3.sqlite_version}, anyio {version('anyio')}, orjson {version('orjson')}, {HUEY}. "
        "The machine is shared and its speed drifts: trust the ratios and the CPU per job."
    )


def _table(rounds: list[dict[str, Figures]]) -> Iterator[str]:
    yield "| case | figures |"
    yield "|---|---|"
    gathered: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for one in rounds:
        for title, figures in one.items():
            for name, value in figures.items():
                gathered[title][name].append(value)
    for title, lists in gathered.items():
        yield f"| {title} | " + " · ".join(_shown(name, statistics.median(v)) for name, v in lists.items()) + " |"


_UNITS = {
    "rate": "jobs/s",
    "cpu_us": "µs CPU a job",
    "one": "/s one after the other",
    "together": "/s by 50 at once",
    "bulk": "/s in bulk",
    "p50_ms": "ms p50",
    "p99_ms": "ms p99",
    "cpu_ms_per_s": "ms CPU a second",
    "resident_mb": "MB resident",
}


def _shown(name: str, value: float) -> str:
    return f"{value:,.0f} {_UNITS[name]}" if value >= 100 else f"{value:.2g} {_UNITS[name]}"


def _ratios(rounds: list[dict[str, Figures]]) -> Iterator[str]:
    yield "| ratio | median | lowest to highest | target |"
    yield "|---|--:|---|--:|"
    for case, other, figure, target in RATIOS:
        values = [one[case][figure] / one[other][figure] for one in rounds]
        yield (
            f"| {case} : {other} | {statistics.median(values):.2f} | {min(values):.2f} to {max(values):.2f} "
            f"| {'' if target is None else f'≥ {target}'} |"
        )


if __name__ == "__main__":
    main()
