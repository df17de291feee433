"""Histories told by hand: a good one, and the means to spoil it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.chaos.checker import Bounds
from benchmarks.chaos.history import Kind, Line

__all__ = ["BOUNDS", "CROWD", "INTERRUPTED", "LEASE", "STALLED", "Told", "good", "interrupted", "stalled"]

LEASE = 2.0
CROWD = 5
"""Jobs that run in `one` when it is killed."""
BOUNDS = Bounds(LEASE, jobs=CROWD + 2, kills=1, extra_starts=CROWD)
STALLED = Bounds(LEASE, jobs=2, stalls=1, extra_starts=1, refused=1)
INTERRUPTED = Bounds(LEASE, jobs=CROWD + 3, server_kills=2)


class Told:
    """Lines in their order, a hundredth of a second apart unless an instant is given."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._at = 100.0

    def say(self, kind: Kind, process: str, id: str = "", at: float | None = None, **known: Any) -> None:
        """Tell one line; a reservation has the token `process/id` unless another one is given."""
        self._at = self._at + 0.01 if at is None else at
        if id and "token" not in known:
            known["token"] = f"{process}/{id}"
        self.lines.append(Line(kind, self._at, process, id, **known))

    def reserve(self, process: str, id: str, at: float | None = None, *, crashes: int = 0, attempt: int = 1) -> None:
        """Tell of a reservation, which the broker made just now."""
        now = self._at + 0.01 if at is None else at
        self.say("reserved", process, id, now, broker_at=now, crashes=crashes, attempt=attempt)

    def run(self, process: str, id: str, *, crashes: int = 0, attempt: int = 1, at: float | None = None) -> None:
        """Tell of a run from its reservation to its confirmed end."""
        self.reserve(process, id, at, crashes=crashes, attempt=attempt)
        self.say("start", process, id)
        self.say("end", process, id)
        self.say("asked", process, id)
        self.say("confirmed", process, id, detail="done")

    def close(self, *processes: str) -> None:
        """Let these workers leave as they are told, and look into the store."""
        for process in processes:
            self.say("down", process)
            self.say("exit", process, detail="0")
        self.say("audited", "killer")

    def sorted(self) -> list[Line]:
        """Return the lines as they are read: by their instant."""
        return sorted(self.lines, key=lambda line: line.at)

    def drop(self, kind: Kind, process: str = "", id: str = "") -> None:
        """Untell all lines of this kind, of one process or job where given."""
        kept = [line for line in self.lines if not _matches(line, kind, process, id)]
        assert len(kept) < len(self.lines)
        self.lines = kept

    def change(self, kind: Kind, process: str = "", id: str = "", /, **values: Any) -> None:
        """Tell these lines differently."""
        assert any(_matches(line, kind, process, id) for line in self.lines)
        self.lines = [replace(line, **values) if _matches(line, kind, process, id) else line for line in self.lines]


def good() -> Told:
    """A job that ends; several in flight at a kill, which run again; one that ended just as its worker was killed."""
    told = Told()
    ids = [f"job-{number}" for number in range(CROWD)]
    for id in ["quiet", *ids, "unseen"]:
        told.say("accepted", "dispatcher", id, token="")
    told.say("up", "one")
    told.run("one", "quiet")
    for id in [*ids, "unseen"]:
        told.reserve("one", id)
        told.say("start", "one", id)
    told.say("end", "one", "unseen")
    told.say("asked", "one", "unseen")
    told.say("kill", "one", at=110.0)
    told.say("exit", "one", detail="-9")
    told.say("up", "two")
    for number, id in enumerate(ids):
        told.run("two", id, crashes=1, at=110.0 + LEASE + number / 10)
    told.close("two")
    return told


def stalled() -> Told:
    """A worker stands still with a job, which another one runs meanwhile; its late settle is refused."""
    told = Told()
    for id in ("held", "quiet"):
        told.say("accepted", "dispatcher", id, token="")
    told.say("up", "one")
    told.say("up", "two")
    told.run("two", "quiet")
    told.reserve("one", "held")
    told.say("start", "one", "held")
    told.say("stop", "one", at=101.0)
    told.run("two", "held", crashes=1, at=103.0)
    told.say("cont", "one", at=104.0)
    told.say("end", "one", "held")
    told.say("stale", "one", "held")
    told.close("one", "two")
    return told


def interrupted() -> Told:
    """The server dies twice, the second time for longer than a lease; jobs go on, and one of them starts again."""
    told = Told()
    ids = [f"job-{number}" for number in range(CROWD)]
    for id in ["quiet", *ids, "answered", "bereft"]:
        told.say("accepted", "dispatcher", id, token="")
    told.say("up", "one")
    told.say("up", "two")
    told.run("one", "quiet")
    for id in [*ids, "answered", "bereft"]:
        told.reserve("one", id)
        told.say("start", "one", id)
    told.say("end", "one", "answered")
    told.say("asked", "one", "answered")
    told.say("struck", "server", at=110.0)
    told.say("back", "server", at=110.2)
    told.say("confirmed", "one", "answered", detail="done")
    told.say("struck", "server", at=111.0)
    for id in ids:
        told.say("end", "one", id)
    told.say("back", "server", at=111.0 + 1.5 * LEASE)
    told.run("two", "bereft", crashes=1)
    for id in ids:
        told.say("confirmed", "one", id, detail="done")
    told.say("end", "one", "bereft")
    told.say("stale", "one", "bereft")
    told.close("one", "two")
    return told


def _matches(line: Line, kind: Kind, process: str, id: str) -> bool:
    return line.kind == kind and process in ("", line.process) and id in ("", line.id)
