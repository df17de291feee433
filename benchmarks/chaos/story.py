"""The history put together: processes, and the runs of each job in the order of their reservations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from benchmarks.chaos.history import Line

__all__ = ["Process", "Run", "Story", "tell"]


@dataclass(slots=True)
class Process:
    """One worker process from its start to its end."""

    name: str
    killed_at: float | None = None
    exit_code: str | None = None
    stops: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When it was stopped, and when it went on; infinity where it never did."""

    def stalled_in(self, start: float, end: float) -> bool:
        """Say whether it stood still at some time between the two instants."""
        return any(stop <= end and cont >= start for stop, cont in self.stops)


@dataclass(slots=True)
class Run:
    """One reservation of one job, and what became of it in its process."""

    id: str
    token: str
    process: Process
    reserved_at: float
    broker_at: float
    attempt: int
    crashes: int
    started_at: float | None = None
    ended_at: float | None = None
    """When the handler's body was through."""
    cancelled_at: float | None = None
    asked_at: float | None = None
    """When the broker was first asked to settle it."""
    confirmed: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """When a settlement was confirmed, and what it said."""
    stale_at: float | None = None

    @property
    def cut_at(self) -> float | None:
        """When a kill ended it; None where it was over before, as far as anybody wrote down."""
        return self.process.killed_at if self.over_at is None else None

    @property
    def over_at(self) -> float | None:
        """When its process was through with it, settlement included; None if never."""
        if self.confirmed:
            return self.confirmed[0][0]
        return self.stale_at if self.stale_at is not None else self.cancelled_at

    @property
    def active(self) -> tuple[float, float] | None:
        """From when to when the handler's body ran."""
        if self.started_at is None:
            return None
        ends = (self.ended_at, self.cancelled_at, self.process.killed_at)
        return self.started_at, min((at for at in ends if at is not None), default=float("inf"))

    def stopped_at(self) -> float | None:
        """Return when its process was stopped while it held the job."""
        over = self.over_at if self.over_at is not None else float("inf")
        return next((stop for stop, _ in self.process.stops if self.reserved_at <= stop < over), None)


@dataclass(slots=True)
class Story:
    """All that a checker needs to know."""

    accepted: Counter[str] = field(default_factory=Counter[str])
    processes: dict[str, Process] = field(default_factory=dict[str, Process])
    jobs: dict[str, list[Run]] = field(default_factory=dict[str, list[Run]])
    """The runs of each job, in the order in which the broker gave them away."""
    outages: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When the server was killed, and when it answered again; infinity where it never did."""
    cuts: int = 0
    """Sessions of the server, or statements of them, that were ended."""
    stale: int = 0
    left: list[Line] = field(default_factory=list[Line])
    audited: bool = False
    began_at: float = 0.0
    ended_at: float = 0.0

    @property
    def runs(self) -> Iterator[Run]:
        """All runs of all jobs."""
        for runs in self.jobs.values():
            yield from runs

    def away_in(self, start: float, end: float) -> list[float]:
        """Return how long each outage lasted that met this time."""
        return [back - struck for struck, back in self.outages if struck <= end and back >= start]

    def away_between(self, run: Run, later: Run) -> list[float]:
        """Return how long each outage lasted that one run of a job met before the next one took it over."""
        over = run.over_at if run.over_at is not None else float("inf")
        return self.away_in(run.reserved_at, min(over, later.reserved_at))

    def kills(self) -> list[Process]:
        """Return the processes that were killed."""
        return [process for process in self.processes.values() if process.killed_at is not None]


def tell(lines: Iterable[Line]) -> Story:
    """Put lines, given in their order, together."""
    teller = _Teller()
    for line in lines:
        teller.hear(line)
    for runs in teller.story.jobs.values():
        runs.sort(key=lambda run: (run.broker_at, run.reserved_at))
    return teller.story


class _Teller:
    def __init__(self) -> None:
        self.story = Story()
        self._runs: dict[tuple[str, str, str], Run] = {}

    def hear(self, line: Line) -> None:
        story = self.story
        story.began_at = story.began_at or line.at
        story.ended_at = line.at
        match line.kind:
            case "accepted":
                story.accepted[line.id] += 1
            case "left":
                story.left.append(line)
            case "audited":
                story.audited = True
            case "struck":
                story.outages.append((line.at, float("inf")))
            case "back":
                story.outages[-1] = (story.outages[-1][0], line.at)
            case "cut":
                story.cuts += 1
            case "up" | "down" | "kill" | "stop" | "cont" | "exit":
                self._process(line)
            case _:
                self._run(line)

    def _process(self, line: Line) -> None:
        process = self.story.processes.setdefault(line.process, Process(line.process))
        match line.kind:
            case "kill":
                process.killed_at = line.at
            case "exit":
                process.exit_code = line.detail
            case "stop":
                process.stops.append((line.at, float("inf")))
            case "cont":
                process.stops[-1] = (process.stops[-1][0], line.at)
            case _:
                pass

    def _run(self, line: Line) -> None:
        run = self._found(line)
        match line.kind:
            case "start":
                run.started_at = line.at
            case "end":
                run.ended_at = line.at
            case "cancelled":
                run.cancelled_at = line.at
            case "asked":
                run.asked_at = run.asked_at or line.at
            case "confirmed":
                run.confirmed.append((line.at, line.detail))
            case "stale":
                run.stale_at = line.at
                self.story.stale += 1
            case _:
                pass

    def _found(self, line: Line) -> Run:
        key = (line.process, line.id, line.token)
        run = self._runs.get(key)
        if run is None:
            process = self.story.processes.setdefault(line.process, Process(line.process))
            run = Run(line.id, line.token, process, line.at, line.broker_at, line.attempt, line.crashes)
            self._runs[key] = run
            self.story.jobs.setdefault(line.id, []).append(run)
        return run
