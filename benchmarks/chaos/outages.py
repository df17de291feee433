"""What the kills of the server were like, seen from the jobs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.chaos.story import Run, Story

__all__ = ["Outages", "measure"]


@dataclass(frozen=True, slots=True)
class Outages:
    """Figures of all outages of a run."""

    running: Sequence[int]
    """Handlers that ran at each death of the server."""
    met: int
    """Jobs in flight at these deaths: started, and not confirmed."""
    in_doubt: int
    """… of which the broker was being asked to settle: nobody knew whether it had, and the call was repeated."""
    away: Sequence[float]
    """Seconds from each death until the server answered again."""
    resumes: Sequence[float]
    """Seconds from each death to the first end of a job that the returned server confirmed."""
    bereft: Sequence[float]
    """For each job that started again and was neither killed nor stalled: how long the server was away."""

    @property
    def kills(self) -> int:
        """How often the server was killed."""
        return len(self.running)

    def crowded(self, crowd: int) -> float:
        """Return the share of the deaths that met so many running handlers or more."""
        return sum(running >= crowd for running in self.running) / max(1, self.kills)


def measure(story: Story) -> Outages:
    """Count and time what the outages did."""
    started = [run for run in story.runs if run.started_at is not None]
    flying = [[run for run in started if _in_flight(run, struck)] for struck, _ in story.outages]
    return Outages(
        running=[
            sum(_through(run) > struck for run in runs) for runs, (struck, _) in zip(flying, story.outages, strict=True)
        ],
        met=len({(run.id, run.token) for runs in flying for run in runs}),
        in_doubt=sum(
            run.asked_at is not None and run.asked_at <= struck
            for runs, (struck, _) in zip(flying, story.outages, strict=True)
            for run in runs
        ),
        away=[back - struck for struck, back in story.outages],
        resumes=list(_resumes(story)),
        bereft=list(_bereft(story)),
    )


def _in_flight(run: Run, at: float) -> bool:
    """Say whether it had started by then and nobody had confirmed its end."""
    assert run.started_at is not None
    over = run.over_at if run.over_at is not None else run.process.killed_at
    return run.started_at <= at and (over is None or over > at)


def _through(run: Run) -> float:
    return run.ended_at if run.ended_at is not None else float("inf")


def _resumes(story: Story) -> Iterator[float]:
    ends = sorted(at for run in story.runs for at, _ in run.confirmed)
    for struck, back in story.outages:
        first = bisect_left(ends, back)
        yield (ends[first] if first < len(ends) else float("inf")) - struck


def _bereft(story: Story) -> Iterator[float]:
    for runs in story.jobs.values():
        for run, later in pairwise(runs):
            away = story.away_between(run, later)
            if run.started_at is not None and run.cut_at is None and run.stopped_at() is None and away:
                yield max(away)
