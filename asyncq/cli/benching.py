"""`asyncq bench`: how many jobs a second a connection takes, and a worker here runs."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import anyio

from asyncq.app import AsyncQ
from asyncq.cli.output import counted, say, write_json, write_rows
from asyncq.config import mask
from asyncq.contracts import Clearable, Driver
from asyncq.discovery import discover
from asyncq.drivers import connect
from asyncq.errors import AsyncqError, ConfigError, NotSupported
from asyncq.job import Job
from asyncq.wiring import Engine
from asyncq.worker.embedded import warn
from asyncq.worker.options import QueueSpec, WorkerOptions
from asyncq.worker.process import calm_collector, new_loop
from asyncq.worker.supervisor import Supervisor

__all__ = ["BenchBroken", "bench"]

QUEUE: Final = "asyncq-bench"
"""One name for all measurements: a broker that remembers the names of queues shall not collect ours."""
BATCH: Final = 100
SINGLE: Final = 200
"""So many are dispatched one by one, each after the answer to the one before."""
COLUMNS: Final = ("step", "jobs", "seconds", "jobs_per_second", "cpu_us_per_job")
INTERRUPTED: Final = 130


class BenchBroken(AsyncqError):
    """The measurement counts for nothing."""


class Nothing(Job, name="asyncq:bench", queue=QUEUE):
    """A job that costs what any job costs, and does nothing."""

    number: int

    async def handle(self) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was measured."""

    step: str
    jobs: int
    seconds: float
    cpu: float

    def row(self) -> dict[str, object]:
        """Return what a listing shows."""
        return {
            "step": self.step,
            "jobs": self.jobs,
            "seconds": round(self.seconds, 3),
            "jobs_per_second": round(self.jobs / self.seconds),
            "cpu_us_per_job": round(1e6 * self.cpu / self.jobs, 1),
        }


class _Watch:
    """Takes the time and the processor time of this process, all threads together."""

    def __init__(self) -> None:
        self._started, self._cpu = time.perf_counter(), time.process_time()

    def stop(self, name: str, jobs: int) -> Step:
        """Return what was measured since it was made."""
        return Step(name, jobs, time.perf_counter() - self._started, time.process_time() - self._cpu)


def bench(
    asked: str | None, connection: str | None, *, private: bool, jobs: int, concurrency: int, as_json: bool
) -> int:
    """Measure a connection of the app, or with `private` a file of its own; returns 130 after Ctrl-C.

    Raises:
        NotSupported: the connection keeps no jobs, or cannot be cleaned up.
        BenchBroken: another measurement is in the queue, or this one was ended from outside.
    """
    with _app(asked, connection, private=private) as app:
        url = mask(app.connections[app.default].url)
        _check(connect(app.connections[app.default], name=app.default))
        say(f"{counted(jobs, 'job')} through queue {QUEUE} of {app.default} ({url}), {concurrency} at once")
        calm_collector()
        try:
            with asyncio.Runner(loop_factory=new_loop) as runner:
                steps = runner.run(_measure(app, jobs, concurrency))
        except (KeyboardInterrupt, asyncio.CancelledError):
            say("stopped; the queue of the measurement is empty")
            return INTERRUPTED
    rows = [step.row() for step in steps]
    if as_json:
        write_json({"connection": app.default, "url": url, "concurrency": concurrency, "steps": rows})
    else:
        write_rows(rows, COLUMNS, as_json=False, empty="")
        say("the processor time is that of this process: one worker, without its broker")
    return 0


@contextmanager
def _app(asked: str | None, connection: str | None, *, private: bool) -> Generator[AsyncQ]:
    """Make an app with the connections of the user's, without its middleware and listeners."""
    if private:
        with tempfile.TemporaryDirectory(prefix="asyncq-bench-") as folder:
            yield AsyncQ(f"sqlite:///{quote(folder)}/queue.db", default="private")
        return
    app = discover(asked, jobs=False).app
    name = connection or app.default
    if name not in app.connections:
        known = ", ".join(map(repr, app.connections))
        raise ConfigError(f"no connection is called {name!r}; there are {known}")
    yield AsyncQ(connections=app.connections, default=name, failed=app.stores.get("failed"), name=app.name)


def _check(driver: Driver) -> None:
    if driver.traits.runs_inline or driver.traits.discards:
        raise NotSupported(f"connection {driver.name!r} keeps no jobs, so there is nothing to measure")
    if not isinstance(driver, Clearable):
        raise NotSupported(f"connection {driver.name!r} cannot empty a queue, so that jobs of ours could be left there")


async def _measure(app: AsyncQ, jobs: int, concurrency: int) -> Sequence[Step]:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with app:
        engine = await app.engine()
        driver = engine.driver(app.default)
        left = (await driver.sizes([QUEUE]))[QUEUE].total
        if left:
            raise BenchBroken(
                f"queue {QUEUE} of {app.default} holds {counted(left, 'job')}: another measurement runs, or one was "
                f"killed; after that `asyncq clear {app.default} --queue {QUEUE}` tidies up"
            )
        try:
            engine.codec.shape(Nothing)  # read once, not by the first dispatch
            return [*await _dispatch(app, jobs), await _work(engine, jobs, concurrency)]
        finally:
            assert isinstance(driver, Clearable)  # `_check` has seen to that
            with anyio.CancelScope(shield=True):
                await driver.clear(QUEUE)


async def _dispatch(app: AsyncQ, jobs: int) -> Sequence[Step]:
    single = min(SINGLE, jobs)
    watch = _Watch()
    for number in range(single):
        await app.dispatch_many([Nothing(number=number)])
    steps = [watch.stop("dispatch one by one", single)]
    if jobs > single:
        watch = _Watch()
        for first in range(single, jobs, BATCH):
            await app.dispatch_many([Nothing(number=number) for number in range(first, min(jobs, first + BATCH))])
        steps.append(watch.stop(f"dispatch {BATCH} at once", jobs - single))
    return steps


async def _work(engine: Engine, jobs: int, concurrency: int) -> Step:
    options = WorkerOptions(
        connection=engine.setup.default,
        queues=(QueueSpec(QUEUE),),
        concurrency=concurrency,
        max_jobs=jobs,
        stop_when_empty=True,
        force=True,
        name=f"bench-{os.getpid()}",
    )
    supervisor = Supervisor(engine, options, warn, beside=True)
    watch = _Watch()
    await supervisor.run()
    if supervisor.desk.done != jobs:
        raise BenchBroken(f"{jobs} jobs were dispatched and {supervisor.desk.done} done: {supervisor.stop.reason}")
    return watch.stop("work", jobs)
