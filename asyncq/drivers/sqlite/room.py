"""Keeps a margin of the disk free, so that a queue that has filled its disk can still be emptied.

Forgetting a job writes too: into the log, which is copied to the file now and then, which may have to grow by what
earlier pushes have put into the log. On a disk without a free block nothing of that works, and the queue would be stuck
full. So a push is refused a little earlier. Pages that are free inside the file count as room.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from asyncq.drivers.sqlite.step import Step
from asyncq.errors import BrokerUnavailable, QueueFull
from asyncq.payload import Envelope

__all__ = ["MARGIN", "check_room", "free_bytes"]

MARGIN = 8 * 2**20
"""Bytes: twice what the log holds between two copies."""


def check_room(step: Step, path: Path, envelopes: Sequence[Envelope]) -> None:
    """Refuse a push that would leave too little room.

    Raises:
        QueueFull: before the disk is.
    """
    free = free_bytes(path)
    # A job costs its body in the log and in the file, and some index entries.
    needed = MARGIN + 2 * sum(len(envelope.body) + 500 for envelope in envelopes)
    if free < needed and free + _inside(step) < needed:
        raise QueueFull(
            f"{path}: {free / 2**20:.1f} MiB are free on its disk, and the last {MARGIN / 2**20:.0f} MiB are kept for "
            "finishing what is queued; free space, or let workers empty the queue"
        )


def free_bytes(path: Path) -> int:
    """Return the free bytes of the disk below a file."""
    try:
        disk = os.statvfs(path.parent)
    except OSError as error:
        raise BrokerUnavailable(f"{path}: its directory cannot be read ({error}); bring it back") from error
    return disk.f_bavail * disk.f_frsize


def _inside(step: Step) -> int:
    pages, size = (step.connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_size"))
    return int(pages) * int(size)
