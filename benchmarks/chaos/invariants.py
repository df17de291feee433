"""What must be true of each job and each process, whatever was killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

from benchmarks.chaos.story import Run, Story

__all__ = ["INVARIANTS", "Violation", "ended_unseen"]


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that must not happen, and where it did."""

    rule: str
    text: str


def ended_unseen(story: Story, id: str) -> bool:
    """Say whether the job ended although no process lived to say so.

    A kill may land between the commit of a settlement and the line that confirms it. Then the broker had been asked
    to settle, the kill ended the last run, nobody confirmed another one, and the store has forgotten the job. A broker
    that loses what it hands out does not pass for that: it loses also jobs that nobody asked it to end.
    """
    runs = story.jobs.get(id, [])
    seen = any(run.confirmed for run in runs)
    return bool(runs) and not seen and runs[-1].asked_at is not None and runs[-1].cut_at is not None


def lost(story: Story) -> Iterator[Violation]:
    """Each job that was accepted has ended."""
    for id in story.accepted:
        if not any(run.confirmed for run in story.jobs.get(id, ())) and not ended_unseen(story, id):
            yield Violation("lost", f"{id}: accepted, started {_starts(story, id)} times, and never ended")


def left_behind(story: Story) -> Iterator[Violation]:
    """The store is empty: no job, lease, lock, unique key or failed record is left."""
    if not story.audited:
        yield Violation("left behind", "nobody looked into the store after the run")
    for line in story.left:
        yield Violation("left behind", f"{line.id} {line.detail}".strip())


def ended_twice(story: Story) -> Iterator[Violation]:
    """No job has two confirmed ends."""
    for id, runs in story.jobs.items():
        ends = sum(len(run.confirmed) for run in runs)
        if ends > 1:
            yield Violation("ended twice", f"{id}: {ends} confirmed ends")


def failed(story: Story) -> Iterator[Violation]:
    """No job fails: the handlers raise nothing, and `max_crashes=0` convicts none."""
    for run in story.runs:
        if any(outcome != "done" for _, outcome in run.confirmed):
            yield Violation("failed", _told(run))


def refused(story: Story) -> Iterator[Violation]:
    """Who is refused has lost the job to another run. A settlement whose answer was lost is repeated, and taken."""
    for runs in story.jobs.values():
        if runs[-1].stale_at is not None:
            yield Violation("own end refused", f"{_told(runs[-1])}, though nobody else got the job")


def late_settle(story: Story) -> Iterator[Violation]:
    """Only the last reservation of a job may end it: what an earlier one says comes too late."""
    for runs in story.jobs.values():
        for run, later in pairwise(runs):
            if not run.confirmed:
                continue
            if later.reserved_at < run.confirmed[0][0]:
                yield Violation("late settle accepted", f"{_told(run)}, though {_told(later)} had the job by then")
            else:
                yield Violation("started after its end", f"{_told(later)}, which {_told(run)} had ended")


def unknown(story: Story) -> Iterator[Violation]:
    """Only accepted jobs run, and each was accepted once."""
    for id, times in story.accepted.items():
        if times > 1:
            yield Violation("unknown", f"{id}: accepted {times} times")
    for id in story.jobs.keys() - story.accepted.keys():
        yield Violation("unknown", f"{id}: reserved, but never accepted")


def unexplained_start(story: Story) -> Iterator[Violation]:
    """A job starts again only if the run before it was killed or stalled, or the server was away meanwhile."""
    for runs in story.jobs.values():
        for run, later in pairwise(runs):
            excused = run.cut_at is not None or _stalled(run) or story.away_between(run, later)
            if run.started_at is not None and not excused:
                yield Violation("unexplained start", f"again after {_told(run)}, which nothing ended")


def overlap(story: Story) -> Iterator[Violation]:
    """No job runs in two live processes at once, unless the first one stood still, or could not renew its lease."""
    for runs in story.jobs.values():
        for older, newer in combinations([run for run in runs if run.started_at is not None], 2):
            held = older.reserved_at, _later_start(older, newer)
            if _meet(older, newer) and not older.process.stalled_in(*held) and not story.away_in(*held):
                yield Violation("overlap", f"{_told(older)} and {_told(newer)} at once")


def attempts(story: Story) -> Iterator[Violation]:
    """A crash costs no attempt: every start is the first attempt, since no handler raises or releases."""
    for run in story.runs:
        if run.attempt != 1:
            yield Violation("attempts wrong", f"{_told(run)} was attempt {run.attempt}")


def crashes(story: Story) -> Iterator[Violation]:
    """Every crash is counted. The broker may count more: reservations whose answer no process lived to receive."""
    for runs in story.jobs.values():
        seen = 0
        for run in runs:
            if run.crashes < seen:
                yield Violation("crashes wrong", f"{_told(run)}: {run.crashes} counted, {seen} seen")
            seen += run.cut_at is not None


def isolation(story: Story) -> Iterator[Violation]:
    """A job that crashed twice runs alone in its process."""
    by_process: dict[str, list[Run]] = {}
    for run in story.runs:
        if run.started_at is not None:
            by_process.setdefault(run.process.name, []).append(run)
    for suspect in story.runs:
        if suspect.crashes < 2 or suspect.started_at is None:
            continue
        for other in by_process[suspect.process.name]:
            if other is not suspect and _meet(suspect, other):
                yield Violation("not alone", f"{_told(suspect)} after {suspect.crashes} crashes, beside {other.id}")


def died(story: Story) -> Iterator[Violation]:
    """A worker that nobody killed leaves with code 0."""
    for process in story.processes.values():
        if process.killed_at is None and process.exit_code != "0":
            yield Violation("died by itself", f"{process.name}: exit code {process.exit_code}")


INVARIANTS: tuple[Callable[[Story], Iterator[Violation]], ...] = (
    lost,
    left_behind,
    ended_twice,
    failed,
    refused,
    late_settle,
    unknown,
    unexplained_start,
    overlap,
    attempts,
    crashes,
    isolation,
    died,
)


def _stalled(run: Run) -> bool:
    over = run.over_at if run.over_at is not None else float("inf")
    return run.process.stalled_in(run.reserved_at, over)


def _meet(one: Run, other: Run) -> bool:
    a, b = one.active, other.active
    return a is not None and b is not None and max(a[0], b[0]) < min(a[1], b[1])


def _later_start(one: Run, other: Run) -> float:
    return max(at for at in (one.started_at, other.started_at) if at is not None)


def _starts(story: Story, id: str) -> int:
    return sum(run.started_at is not None for run in story.jobs.get(id, ()))


def _told(run: Run) -> str:
    return f"{run.id} in {run.process.name} at {run.started_at or run.reserved_at:.3f}"
