"""Contenders at their workloads, as the cases of a round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.harness.case import Case
from benchmarks.harness.results import Figure, Target

__all__ = ["ALONE", "IDLE", "OURS", "Contender", "alone", "beside_others", "target"]

OURS = "asyncq"
WORKLOADS = ("work", "sleep", "enqueue", "latency", "idle")


@dataclass(frozen=True, slots=True)
class Contender:
    """A module with its packages; `share` of the jobs that others get, where it is much slower.

    `python` is the version that it needs, where ours is too old for it.
    """

    title: str
    module: str
    packages: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    workloads: tuple[str, ...] = WORKLOADS
    share: float = 0.25
    python: str = ""


def beside_others(contenders: Sequence[Contender], url: str, jobs: int) -> Iterator[Case]:
    """Yield the cases in the order of a round: all contenders at one workload, then at the next."""
    for workload in WORKLOADS:
        for contender in contenders:
            if workload in contender.workloads:
                yield _case(contender, workload, url, jobs)


def _case(contender: Contender, workload: str, url: str, jobs: int) -> Case:
    arguments = (url, workload, str(_amount(workload, jobs, contender.share)), *contender.options)
    packages, version = contender.packages, contender.python
    return Case(contender.title, workload, contender.module, arguments, packages, version=version)


def _amount(workload: str, jobs: int, share: float) -> int:
    """Return the jobs of a case; for an idle worker the seconds."""
    amounts = {
        "work": jobs * share,
        "sleep": jobs * min(share, 0.2),
        "enqueue": jobs / 10,
        "latency": jobs / 100,
        "idle": 10,
    }
    return max(5, int(amounts[workload]))


def alone(url: str, jobs: int) -> Iterator[Case]:
    """Yield what is asked of asyncq alone; the long ones once."""
    engine = "benchmarks.engine.asyncq"
    yield Case(OURS, "processes", f"{engine}_processes", (url, str(2 * jobs)))
    many = str(50 * jobs)
    yield Case(OURS, "backlog", f"{engine}_backlog", (url, many), once=True)
    yield Case(OURS, "due", f"{engine}_due", (url, many), once=True)
    yield Case(OURS, "flat", f"{engine}_contender", (url, "flat", many), once=True)


def target(
    title: str,
    workload: str,
    name: str,
    *,
    other: str = "",
    by: str = "",
    at_least: float | None = None,
    at_most: float | None = None,
) -> Target:
    """A figure of ours, alone, by the same one of another contender, or by another of ours at the same workload."""
    divisor = Figure(other or OURS, workload, by or name) if other or by else None
    return Target(title, Figure(OURS, workload, name), divisor, at_least=at_least, at_most=at_most)


IDLE = (
    target("idle worker: ms CPU/s", "idle", "cpu_ms_per_s", at_most=2),
    target("idle worker: MB resident", "idle", "resident_mb", at_most=45),
)
ALONE = (
    target("no-op, two processes : one", "processes", "two_processes", by="one_process", at_least=1.4),
    target("reserve p99, long backlog : 1,000 jobs", "backlog", "long_p99_ms", by="short_p99_ms", at_most=2),
    target("many delayed jobs due at once: longest step of the server, ms", "due", "longest_ms", at_most=10),
    target(
        "many delayed jobs due at once: reserve p99 of another queue : before",
        "due",
        "other_p99_ms",
        by="before_p99_ms",
        at_most=2,
    ),
    target("resident size after all jobs : after the first tenth", "flat", "all_mb", by="tenth_mb", at_most=1.05),
)
