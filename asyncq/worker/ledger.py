"""What a child process holds, in memory that its parent shares: readable also when the child can no longer speak.

C code that holds the GIL stops the keeper's thread too. The parent then sees that the beats have stopped and that a
job is past its timeout; it kills the child, and the child's successor settles from this ledger.
"""

from __future__ import annotations

import marshal
import mmap
import os
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from asyncq.payload import Reservation
from asyncq.run import Run

__all__ = ["Entry", "Ledger", "make_file", "overdue", "read_beat", "read_entries"]

_HEADER: Final = struct.Struct("<dII")
"""Beat (monotonic), number of places, size of a place."""
_PLACE: Final = struct.Struct("<Idd")
"""Length of the reservation, start and deadline (monotonic, 0.0: none)."""
HEADER_SIZE: Final = 4096
PLACE_SIZE: Final = 16_384
"""A job larger than this is not written; it comes back by its lease."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of a child."""

    reservation: Reservation
    started_at: float
    deadline: float


class Ledger:
    """The writing side, in the child."""

    def __init__(self, fd: int, places: int) -> None:
        os.ftruncate(fd, HEADER_SIZE + places * PLACE_SIZE)
        self._map = mmap.mmap(fd, 0)
        self._free = list(range(places))
        self._place_of: dict[Run, int] = {}
        _HEADER.pack_into(self._map, 0, time.monotonic(), places, PLACE_SIZE)

    def beat(self) -> None:
        """Say that this process's threads run; called in the keeper's thread."""
        struct.pack_into("<d", self._map, 0, time.monotonic())

    def add(self, run: Run) -> None:
        """Write a job that was leased."""
        data = marshal.dumps(_values(run.reservation))
        if not self._free or len(data) > PLACE_SIZE - _PLACE.size:
            return
        place = self._place_of[run] = self._free.pop()
        start = HEADER_SIZE + place * PLACE_SIZE
        self._map[start + _PLACE.size : start + _PLACE.size + len(data)] = data
        _PLACE.pack_into(self._map, start, len(data), 0.0, 0.0)

    def start(self, run: Run) -> None:
        """Write that a job runs, and until when it may."""
        place = self._place_of.get(run)
        if place is not None:
            offset = HEADER_SIZE + place * PLACE_SIZE + 4
            struct.pack_into("<dd", self._map, offset, run.started_at, run.deadline or 0.0)

    def remove(self, run: Run) -> None:
        """Forget a job that is settled or lost."""
        place = self._place_of.pop(run, None)
        if place is not None:
            struct.pack_into("<I", self._map, HEADER_SIZE + place * PLACE_SIZE, 0)
            self._free.append(place)


def make_file() -> int:
    """Return the descriptor of an empty file without a name."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("asyncq-ledger")
    import tempfile  # here, since it brings the modules of all compressions

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def read_beat(fd: int) -> float | None:
    """Return the monotonic instant of the last beat, None before the first."""
    data = os.pread(fd, 8, 0)
    return struct.unpack("<d", data)[0] if len(data) == 8 else None


def read_entries(fd: int) -> Iterator[Entry]:
    """Yield the jobs that the child holds."""
    header = os.pread(fd, _HEADER.size, 0)
    if len(header) < _HEADER.size:
        return
    _, places, size = _HEADER.unpack(header)
    for place in range(places):
        start = HEADER_SIZE + place * size
        length, started_at, deadline = _PLACE.unpack(os.pread(fd, _PLACE.size, start))
        if length:
            yield Entry(_reservation(os.pread(fd, length, start + _PLACE.size)), started_at, deadline)


_values = attrgetter(*Reservation.__annotations__)


def _reservation(data: bytes) -> Reservation:
    return Reservation(*marshal.loads(data))  # noqa: S302  # our own child wrote it, into a file that has no name


def overdue(fd: int, grace: float) -> Entry | None:
    """Return the job that holds a silent child: of those past their timeout and its grace, the one started last."""
    now = time.monotonic()
    late = [entry for entry in read_entries(fd) if entry.deadline > 0.0 and entry.deadline + grace < now]
    return max(late, key=lambda entry: entry.started_at, default=None)
