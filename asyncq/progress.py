"""What a running job tells of its progress, on its way to those who watch it."""

from __future__ import annotations

import time
from typing import Final

import orjson

from asyncq.errors import DecodeError
from asyncq.run import Run
from asyncq.stores import SignalStore

__all__ = ["PROGRESS_LIFE", "Teller", "progress_name", "read_progress"]

PROGRESS_LIFE: Final = 3_600.0
"""Seconds for which the last word of a job stays readable."""
PAUSE: Final = 0.1
"""Shortest time between two writes of one run."""


def progress_name(connection: str, id: str) -> str:
    """Return the signal that holds a job's progress."""
    return f"progress:{connection}:{id}"


def read_progress(value: bytes) -> tuple[int, int]:
    """Return (done, total).

    Raises:
        DecodeError: another program wrote it.
    """
    try:
        done, total = orjson.loads(value)
        return int(done), int(total)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"a progress of {value!r:.80} cannot be read: {error}") from error


class Teller:
    """Writes the progress of the jobs of one connection."""

    def __init__(self, signals: SignalStore, connection: str) -> None:
        self._signals = signals
        self._connection = connection

    async def tell(self, run: Run, done: int, total: int) -> None:
        """Write it, unless this run wrote a moment ago and is not at its end, or is no longer ours."""
        now = time.monotonic()
        if run.cause == "lease_lost" or (now - run.told_at < PAUSE and done < total):
            return
        run.told_at = now
        name = progress_name(self._connection, run.reservation.id)
        await self._signals.put(name, orjson.dumps((done, total)), ttl=PROGRESS_LIFE)
