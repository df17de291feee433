"""asyncq with one worker process, then with two that begin at the same moment.

python -m benchmarks.engine.asyncq_processes URL JOBS; `sqlite://` is a file of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.engine import place
from benchmarks.engine.asyncq_contender import Asyncq
from benchmarks.rivals.tally import Tally

COUNTS = {"one_process": 1, "two_processes": 2}
BULK = 1000
QUIET = 0.5
"""Seconds without a job after which a worker takes its queue for empty; the clock stopped at its last job."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one process did; its instants are those of the machine's monotonic clock."""

    seen: list[int]
    began_at: float
    ended_at: float


async def _work(url: str) -> Share:
    """Begin when told to on the standard input."""
    tally = Tally()
    async with Asyncq(url, tally) as contender:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        async with contender.working("noop"):
            before = -1
            while len(tally.seen) != before:
                before = len(tally.seen)
                await asyncio.sleep(QUIET)
    return Share(tally.seen, tally.began_at, tally.ended_at)


async def _preload(url: str, jobs: int) -> None:
    async with Asyncq(url, Tally()) as contender:
        for start in range(0, jobs, BULK):
            await contender.push_all("noop", range(start, min(start + BULK, jobs)))


def rate(url: str, jobs: int, processes: int) -> float:
    """Jobs per second of so many processes, from the first begin to the last end."""
    asyncio.run(_preload(url, jobs))
    shares = _shares(url, processes)
    if sorted(number for share in shares for number in share.seen) != list(range(jobs)):
        raise SystemExit("a job was lost, or ran twice")
    worked = [share for share in shares if share.seen]
    return jobs / (max(share.ended_at for share in worked) - min(share.began_at for share in worked))


def _shares(url: str, processes: int) -> list[Share]:
    workers = [_start(url) for _ in range(processes)]
    for worker in workers:
        worker.stdout.readline()
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return [_share(worker) for worker in workers]


def _start(url: str) -> Any:
    command: Sequence[str] = (sys.executable, "-m", "benchmarks.engine.asyncq_processes", url)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _share(worker: Any) -> Share:
    answer, _ = worker.communicate()
    if worker.returncode:
        raise SystemExit(f"a worker ended with {worker.returncode}")
    return Share(**json.loads(answer.splitlines()[-1]))


def main() -> None:
    """Measure both, or with a URL alone be one of the workers."""
    url, *jobs = sys.argv[1:]
    if jobs:
        with place.private(url) as settled:
            print(json.dumps({name: rate(settled, int(jobs[0]), count) for name, count in COUNTS.items()}))
    else:
        share = asyncio.run(_work(url))
        print(json.dumps({"seen": share.seen, "began_at": share.began_at, "ended_at": share.ended_at}))


if __name__ == "__main__":
    main()
