"""The jobs of the run: they write down their start and their end, and sleep in between."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

from asyncq import Job, JobContext
from benchmarks.chaos.history import Log
from benchmarks.chaos.options import Options

__all__ = ["Locked", "Plain", "Work", "planned", "witness"]

OUTLAST = 1.5
"""Leases that a long job takes."""


class Witness:
    """Holds the log of the process that runs the jobs."""

    log: Log | None = None


witness = Witness()


class Work(Job, abstract=True, max_crashes=0):
    """Sleeps for `seconds`."""

    number: int
    seconds: float

    async def handle(self, ctx: JobContext) -> None:
        """Write the first line before, the last one after all work."""
        log, held = witness.log, ctx.reservation
        assert log is not None, "only workers of the crash proof run these jobs"
        log.write("start", id=held.id, token=held.token)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            log.write("cancelled", id=held.id, token=held.token, detail=ctx.interruption or "")
            raise
        log.write("end", id=held.id, token=held.token)


class Plain(Work):
    """Has no unique key."""


class Locked(Work, unique=True, unique_by=("number",)):
    """Holds a unique key until it has ended."""


def planned(options: Options, jobs: int) -> Iterator[Work]:
    """Make the jobs of a run; the seed decides about durations and kinds. The last ones outlast their leases."""
    dice = random.Random(f"jobs {options.seed}")
    for number in range(jobs):
        kind = Locked if dice.random() < 0.25 else Plain
        seconds = round(dice.uniform(options.shortest, options.longest), 4)
        yield kind(number=number, seconds=OUTLAST * options.lease if number >= jobs - options.long else seconds)
