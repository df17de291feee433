"""`python -m benchmarks [GROUP …]`: asyncq beside hand-written loops and beside other queues, in interleaved rounds.

Each round runs every case once, in a process of its own, so that a slow minute of the machine strikes all of them; the
tables show the median of each case and of each ratio, taken round by round. Every case checks that each job ran once.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys

from benchmarks.groups.postgres import POSTGRES
from benchmarks.groups.redis import REDIS
from benchmarks.groups.sqlite import SQLITE
from benchmarks.harness import report, rounds
from benchmarks.harness.group import Bench, Group

GROUPS = {group.name: group for group in (SQLITE, REDIS, POSTGRES)}


def main() -> None:
    """Measure the groups, print their tables and write them down."""
    asked = _parser().parse_args()
    for name in asked.groups or GROUPS:
        _measure(GROUPS[name], asked)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure throughput and latency.")
    parser.add_argument(
        "groups", nargs="*", choices=[*GROUPS, []], metavar="GROUP", help=f"{', '.join(GROUPS)}; or all"
    )
    parser.add_argument("--jobs", type=int, help="of the quickest case; the slower ones run a share of them")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", metavar="TEXT", help="cases whose contender or workload has this text; writes nothing"
    )
    parser.add_argument("--no-write", action="store_true", help=f"leave {report.RESULTS.name} as it is")
    return parser


def _measure(group: Group, asked: argparse.Namespace) -> None:
    jobs: int = asked.jobs or group.jobs
    with group.open(jobs) as bench:
        chosen = _only(bench, asked.only)
        results = rounds.run(chosen, asked.rounds)
        text = report.section(group, chosen, results, jobs)
        print(f"## {group.title}\n\n{text}\n")
        if not (asked.no_write or asked.only):
            report.write(group, text)
        print(f"all figures: {report.write_raw(group, chosen, results)}", file=sys.stderr)


def _only(bench: Bench, text: str | None) -> Bench:
    if not text:
        return bench
    kept = [case for case in bench.cases if text in f"{case.contender}, {case.workload}"]
    if not kept:
        raise SystemExit(f"no case has {text!r} in its name")
    return dataclasses.replace(bench, cases=kept)


if __name__ == "__main__":
    main()
