"""The workloads, the same for every library; each runs in a process of its own.

python -m benchmarks.rivals.NAME URL WORKLOAD JOBS [OPTION=NUMBER …] prints one JSON object. It needs the library and
nothing else of this project. It empties no database: whoever starts it hands it an empty one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.rivals import counters
from benchmarks.rivals.contender import SLOTS, Contender, JobName
from benchmarks.rivals.tally import Tally

__all__ = ["main"]

BULK = 1000
LINGER = 0.2
"""Seconds in which a worker acknowledges what ended last; the clock of the jobs no longer runs."""
Figures = dict[str, float]
Make = Callable[[], Contender]
Workload = Callable[[Make, int], Awaitable[Figures]]


async def work(make: Make, jobs: int) -> Figures:
    """Preloaded jobs that do nothing: per second, and CPU of worker and server for each."""
    return await _drained(make, "noop", jobs)


async def sleep(make: Make, jobs: int) -> Figures:
    """Preloaded jobs that wait for 10 ms."""
    return await _drained(make, "nap", jobs)


async def _drained(make: Make, job: JobName, jobs: int) -> Figures:
    """Push by one contender, work by another: what a server is told at the end of a connection is told in time."""
    async with make() as pushing:
        await _preload(pushing, job, jobs)
    await asyncio.sleep(LINGER)
    contender = make()
    tally = contender.tally
    tally.expect(jobs)
    before = counters.read(contender.url)
    async with contender, _working(contender, job):
        await tally.reached()
    await asyncio.sleep(LINGER)
    spent = counters.read(contender.url).since(before)
    tally.verify(jobs)
    return {
        "rate": jobs / tally.seconds,
        "cpu_us": tally.cpu / jobs * 1e6,
        **{name: total / jobs for name, total in spent.items()},
    }


@asynccontextmanager
async def _working(contender: Contender, job: JobName) -> AsyncIterator[None]:
    async with contender.working(job):
        yield
        await asyncio.sleep(LINGER)


async def _preload(contender: Contender, job: JobName, jobs: int) -> None:
    if contender.pushes_in_bulk:
        await _push_in_bulk(contender, job, jobs)
    elif contender.pushes_at_once:
        await _push_at_once(contender, job, jobs)
    else:
        await _push_one_by_one(contender, job, jobs)


async def enqueue(make: Make, jobs: int) -> Figures:
    """Pushes per second: one after the other, by 50 tasks at once, many by one call."""
    async with make() as contender:
        return await _pushes(contender, jobs)


async def _pushes(contender: Contender, jobs: int) -> Figures:
    await _push_one_by_one(contender, "noop", SLOTS)
    figures = {"one": await _rate(_push_one_by_one, contender, jobs)}
    if contender.pushes_at_once:
        await _push_at_once(contender, "noop", SLOTS)
        figures["together"] = await _rate(_push_at_once, contender, jobs)
    if contender.pushes_in_bulk:
        figures["bulk"] = await _rate(_push_in_bulk, contender, 5 * jobs)
    return figures


async def _rate(push: Callable[[Contender, JobName, int], Awaitable[None]], contender: Contender, jobs: int) -> float:
    start = time.perf_counter()
    await push(contender, "noop", jobs)
    return jobs / (time.perf_counter() - start)


async def _push_one_by_one(contender: Contender, job: JobName, jobs: int) -> None:
    for number in range(jobs):
        await contender.push(job, number)


async def _push_at_once(contender: Contender, job: JobName, jobs: int) -> None:
    numbers = iter(range(jobs))

    async def one_task(numbers: Iterator[int]) -> None:
        for number in numbers:
            await contender.push(job, number)

    await asyncio.gather(*(one_task(numbers) for _ in range(SLOTS)))


async def _push_in_bulk(contender: Contender, job: JobName, jobs: int) -> None:
    for start in range(0, jobs, BULK):
        await contender.push_all(job, range(start, min(start + BULK, jobs)))


async def latency(make: Make, jobs: int) -> Figures:
    """From the push to the begin of the handler in an idle worker, one job at a time, in ms."""
    gaps = random.Random(1)
    async with make() as contender, _working(contender, "ping"):
        await _one_ping(contender)
        contender.tally.latencies.clear()
        contender.tally.seen.clear()
        for _ in range(jobs):
            # Uneven pauses: a poll must not fall into step with the pushes.
            await asyncio.sleep(gaps.uniform(0.01, 0.02))
            await _one_ping(contender)
    ordered = sorted(contender.tally.latencies)
    return {"p50_ms": statistics.median(ordered), "p99_ms": ordered[max(0, int(len(ordered) * 0.99) - 1)]}


async def _one_ping(contender: Contender) -> None:
    contender.tally.expect(len(contender.tally.seen) + 1)
    await contender.push("ping", time.perf_counter())
    await contender.tally.reached()


async def idle(make: Make, seconds: int) -> Figures:
    """What a worker costs that has nothing to do: here the last argument is for how many seconds it is watched."""
    async with make() as contender, _working(contender, "ping"):
        await _one_ping(contender)
        await asyncio.sleep(2)
        before = counters.read(contender.url)
        # A full collection takes some 30 ms; by chance it would fall into these seconds or not.
        gc.collect()
        cpu, start = time.process_time(), time.perf_counter()
        await asyncio.sleep(seconds)
        lasted, busy = time.perf_counter() - start, time.process_time() - cpu
        spent = counters.read(contender.url).since(before)
    return {
        **{f"{name}_per_s": total / lasted for name, total in spent.items()},
        "cpu_ms_per_s": 1e3 * busy / lasted,
        "resident_mb": _resident_mb(),
    }


async def flat(make: Make, jobs: int) -> Figures:
    """Resident size of a worker after the first tenth of the jobs, and after all of them."""
    figures: Figures = {}
    async with make() as contender, _working(contender, "noop"):
        tally = contender.tally
        for first in range(0, jobs, BULK):
            tally.seen.clear()
            tally.expect(BULK)
            await contender.push_all("noop", range(BULK))
            await tally.reached()
            if first <= jobs // 10:
                figures["tenth_mb"] = _resident_mb()
        figures["all_mb"] = _resident_mb()
    return figures


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


WORKLOADS: dict[str, Workload] = {one.__name__: one for one in (work, sleep, enqueue, latency, idle, flat)}


async def _measure(make: Callable[..., Contender], arguments: Sequence[str]) -> Figures:
    url, workload, jobs, *options = arguments
    settings = {name: int(number) for name, number in (option.split("=") for option in options)}
    return await WORKLOADS[workload](lambda: make(url, Tally(), **settings), int(jobs))


def main(make: Callable[..., Contender], arguments: Sequence[str] = ()) -> None:
    """Run the workload of the command line, or of these arguments, and print its figures."""
    print(json.dumps(asyncio.run(_measure(make, arguments or sys.argv[1:]))))
