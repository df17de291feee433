"""What happened, as lines that each process appends to a file of its own.

One line is one `write` to a file opened with `O_APPEND`: what was written before a `kill -9` stays. `CLOCK_MONOTONIC`
is one clock for all processes of a host, so that the lines of all files can be put in one order.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

__all__ = ["Kind", "Line", "Log", "parse", "read"]

Kind = Literal[
    # the dispatcher
    "accepted",  # the broker took the job `id`
    # a worker
    "up",
    "reserved",  # the driver answered a reservation: `id`, `token`, `broker_at`, `attempt`, `crashes`
    "start",  # the handler's first act
    "end",  # its last
    "cancelled",  # the handler was cancelled instead
    "asked",  # the driver was given a settlement
    "confirmed",  # the driver took the settlement, which was not stale; `detail` is its outcome
    "stale",  # the driver refused a settlement
    "down",  # the worker left as it was told
    # the killer; `process` is the victim
    "kill",
    "stop",
    "cont",
    "exit",  # `detail` is the exit code
    "struck",  # the server is about to be killed
    "back",  # it answers again
    "cut",  # a session of the server, or its statement, is about to be ended
    # the audit of the store, after all
    "left",  # `detail` says what was still there
    "audited",
]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, at one instant, in or to one process."""

    kind: Kind
    at: float
    """Seconds of CLOCK_MONOTONIC."""
    process: str
    id: str = ""
    token: str = ""
    """Names one reservation of a job: it is new at each reserve."""
    broker_at: float = 0.0
    """The broker's instant of the reserve: the order of the reservations of one job."""
    attempt: int = 0
    crashes: int = 0
    detail: str = ""
    pid: int = 0
    wall: float = 0.0


_DEFAULTS = {item.name: item.default for item in fields(Line)}


class Log:
    """The file of one process, and the process's name."""

    def __init__(self, folder: Path, process: str) -> None:
        self.process = process
        self._file = os.open(folder / f"{process}.history", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def write(self, kind: Kind, process: str | None = None, **known: Any) -> Line:
        """Append a line about this process, or about another one."""
        now: dict[str, Any] = {"at": time.monotonic(), "wall": time.time(), "pid": os.getpid()}
        line = Line(kind=kind, process=process or self.process, **{**now, **known})
        told = {name: value for name, value in asdict(line).items() if value != _DEFAULTS[name]}
        os.write(self._file, json.dumps(told).encode() + b"\n")
        return line


def parse(data: bytes) -> Iterator[Line]:
    """Read whole lines; a torn last one says nothing, since its process was killed in the act."""
    for text in data.splitlines(keepends=True):
        if text.endswith(b"\n"):
            yield Line(**json.loads(text))


def read(folder: Path) -> list[Line]:
    """Return the lines of all files in the order in which things happened."""
    lines = [line for path in sorted(folder.glob("*.history")) for line in parse(path.read_bytes())]
    return sorted(lines, key=lambda line: line.at)
