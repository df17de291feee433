"""Judges a history: violations, and the figures of the run. Pure: lines in, verdict out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.chaos.history import Line
from benchmarks.chaos.invariants import INVARIANTS, Violation, ended_unseen
from benchmarks.chaos.outages import Outages, measure
from benchmarks.chaos.story import Story, tell

__all__ = ["Bounds", "Figures", "Verdict", "check"]

CROWD = 4
"""A kill counts as one that hurts if it hit so many running handlers."""
CALL = 8
"""So many ends one call may settle, which a kill cuts off from its answer."""
USUAL = 1.0
"""Seconds that a machine may take which has nothing else to do."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the run as a whole has to reach, so that it means something."""

    lease: float
    jobs: int = 0
    """Jobs that were to be accepted."""
    kills: int = 0
    stalls: int = 0
    server_kills: int = 0
    cuts: int = 0
    extra_starts: int = 0
    """Fewest extra starts."""
    crowded: float = 0.5
    """Least share of kills that hit `CROWD` running handlers or more."""
    unseen: float = 1.0
    """Most ends that nobody lived to confirm, for each kill; in small runs `CALL` of them."""
    refused: int = 0
    """Fewest late settles, all of them refused."""
    slack: float = USUAL
    """Seconds beyond the lease within which 99 % of the killed jobs start again."""
    resume: float = 4.0
    """Seconds, beside `slack`, from the kill of a server that is started again at once to the next end of a job."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the run was like."""

    jobs: int
    seconds: float
    starts: int
    extra_starts: int
    kills: int
    crowded: float
    """Share of kills that hit `CROWD` running handlers or more."""
    cut: int
    """Jobs in flight at the kills: started, and not confirmed."""
    asked: int
    """… of which the broker had been asked to settle."""
    held: int
    """Jobs that a killed process had reserved and not started."""
    unseen: int
    """Jobs whose end nobody lived to confirm."""
    stalls: int
    stalled: int
    """Jobs that a process held when it was stopped."""
    refused: int
    """Late settlements that were refused."""
    restarts: Sequence[float]
    """Seconds from the last kill of a job to its next start, sorted."""
    outages: Outages
    cuts: int
    """Sessions of the server, or statements of them, that were ended."""
    suspects: int
    """Starts of jobs that had crashed twice or more."""

    def restart(self, share: float) -> float:
        """Return the latency that this share of the restarts kept to."""
        if not self.restarts:
            return 0.0
        return self.restarts[max(0, math.ceil(share * len(self.restarts)) - 1)]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one run."""

    figures: Figures
    violations: Sequence[Violation]


def check(lines: Iterable[Line], bounds: Bounds) -> Verdict:
    """Judge a history, whose lines stand in the order in which they happened."""
    story = tell(lines)
    figures = _measure(story)
    found = [violation for invariant in INVARIANTS for violation in invariant(story)]
    return Verdict(figures, [*found, *_missed(figures, bounds), *_interrupted(figures.outages, bounds)])


def _measure(story: Story) -> Figures:
    started = [run for run in story.runs if run.started_at is not None]
    cut = [run for run in story.runs if run.cut_at is not None]
    kills = story.kills()
    return Figures(
        jobs=len(story.accepted),
        seconds=story.ended_at - story.began_at,
        starts=len(started),
        extra_starts=len(started) - len({run.id for run in started}),
        kills=len(kills),
        crowded=sum(running >= CROWD for running in _running_at_kills(story)) / max(1, len(kills)),
        cut=sum(run.started_at is not None for run in cut),
        asked=sum(run.asked_at is not None for run in cut),
        held=sum(run.started_at is None for run in cut),
        unseen=sum(ended_unseen(story, id) for id in story.accepted),
        stalls=sum(len(process.stops) for process in story.processes.values()),
        stalled=sum(run.stopped_at() is not None for run in story.runs),
        refused=story.stale,
        restarts=sorted(_restarts(story)),
        outages=measure(story),
        cuts=story.cuts,
        suspects=sum(run.crashes >= 2 for run in started),
    )


def _running_at_kills(story: Story) -> Iterator[int]:
    """Count the handlers whose body was running when their process was killed."""
    cut: dict[str, int] = {process.name: 0 for process in story.kills()}
    for run in story.runs:
        if run.cut_at is not None and run.started_at is not None and run.ended_at is None:
            cut[run.process.name] += 1
    yield from cut.values()


def _restarts(story: Story) -> Iterator[float]:
    for runs in story.jobs.values():
        ran, last = False, None
        for run in runs:
            if run.started_at is not None:
                if ran and last is not None:
                    yield run.started_at - last
                ran = True
            last = run.cut_at


def _missed(figures: Figures, bounds: Bounds) -> Iterator[Violation]:
    """Compare the figures with what the run has to reach."""
    in_flight = figures.cut + figures.stalled + figures.outages.met
    slowest, bound = figures.restart(0.99), bounds.lease + bounds.slack
    for rule, broken, told in (
        ("too few jobs", figures.jobs < bounds.jobs, f"{figures.jobs} of {bounds.jobs} accepted"),
        ("too many extra starts", figures.extra_starts > in_flight, f"{figures.extra_starts}, {in_flight} in flight"),
        (
            "too few extra starts",
            figures.extra_starts < bounds.extra_starts,
            f"{figures.extra_starts} of {bounds.extra_starts}",
        ),
        ("too few kills", figures.kills < bounds.kills, f"{figures.kills} of {bounds.kills}"),
        (
            "kills that hurt nobody",
            bool(figures.kills) and figures.crowded < bounds.crowded,
            f"{figures.crowded:.0%} hit {CROWD} jobs or more",
        ),
        (
            "too many ends unseen",
            figures.unseen > max(CALL, bounds.unseen * figures.kills),
            f"{figures.unseen} at {figures.kills} kills",
        ),
        ("too few stalls", figures.stalls < bounds.stalls, f"{figures.stalls} of {bounds.stalls}"),
        ("too few cuts", figures.cuts < bounds.cuts, f"{figures.cuts} of {bounds.cuts}"),
        ("too few late settles", figures.refused < bounds.refused, f"{figures.refused} of {bounds.refused}"),
        ("slow restart", slowest > bound, f"p99 {slowest:.2f} s, more than {bound:g} s"),
    ):
        if broken:
            yield Violation(rule, told)


def _interrupted(outages: Outages, bounds: Bounds) -> Iterator[Violation]:
    """Compare the outages with what they have to be like.

    Leases are renewed three times before they end, so that an outage of a third of a lease takes none away; a loaded
    machine stands still in between, for which `slack` makes up.
    """
    slowest, bound = max(outages.resumes, default=0.0), bounds.resume + bounds.slack
    short = bounds.lease / 3 + USUAL - bounds.slack
    needless = [seconds for seconds in outages.bereft if seconds < short]
    for rule, broken, told in (
        (
            "too few server kills",
            outages.kills < bounds.server_kills,
            f"{outages.kills} of {bounds.server_kills}",
        ),
        (
            "server kills that hurt nobody",
            bool(outages.kills) and outages.crowded(CROWD) < bounds.crowded,
            f"{outages.crowded(CROWD):.0%} met {CROWD} jobs or more",
        ),
        (
            "slow resume",
            slowest > bound,
            f"{slowest:.2f} s from a server's death to the next end, more than {bound:g} s",
        ),
        (
            "lease lost in a short outage",
            bool(needless),
            f"{len(needless)} jobs started again, though the server was away for {max(needless, default=0.0):.2f} s",
        ),
    ):
        if broken:
            yield Violation(rule, told)
