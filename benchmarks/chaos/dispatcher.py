"""`python -m benchmarks.chaos.dispatcher FOLDER OPTIONS JOBS`: dispatches the jobs of a run."""

from __future__ import annotations

import asyncio
import sys
from itertools import islice
from pathlib import Path

from benchmarks.chaos.app import build
from benchmarks.chaos.history import Log
from benchmarks.chaos.jobs import planned
from benchmarks.chaos.options import Options

CHUNK = 250
PAUSE = 0.25
"""Seconds between two chunks: most jobs come while workers are being killed."""


async def dispatch(log: Log, options: Options, jobs: int) -> None:
    """Dispatch in chunks; a job counts as accepted when its dispatch has returned."""
    todo = planned(options, jobs)
    async with build(options, patient=True) as app:
        while chunk := list(islice(todo, CHUNK)):
            for handle in await app.dispatch_many(chunk):
                log.write("accepted", id=handle.id)
            await asyncio.sleep(PAUSE)


def main() -> None:
    """Read the arguments and dispatch."""
    folder, options, jobs = sys.argv[1:]
    with Log(Path(folder), "dispatcher") as log:
        asyncio.run(dispatch(log, Options.from_json(options), int(jobs)))


if __name__ == "__main__":
    main()
