"""How long a job may run."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from asyncq import AsyncQ, Job, JobContext
from asyncq.events import JobAttempted, JobExceptionOccurred, JobFailed, JobReleasedAfterException, JobTimedOut
from asyncq.threads import Threads
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs
from tests.behaviour.places import Nap


@pytest.mark.parametrize("where", ["the class", "the dispatch", "the worker"])
async def test_a_job_past_its_timeout_is_cancelled_and_fails(app: AsyncQ, where: str) -> None:
    cleaned: list[str] = []

    class Hangs(Job):
        async def handle(self, ctx: JobContext) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                cleaned.append(str(ctx.interruption))

    class Limited(Hangs, timeout=0.1):
        pass

    heard = Heard(app, JobTimedOut, JobExceptionOccurred, JobFailed, JobAttempted)
    async with app, app.worker(**({"timeout": 0.1} if where == "the worker" else {})):  # type: ignore[arg-type]
        if where == "the dispatch":
            await Hangs().dispatch(timeout=timedelta(milliseconds=100))
        else:
            await (Limited() if where == "the class" else Hangs()).dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
        await heard.until(JobAttempted)
    assert record.error == "JobTimeout: it ran longer than its timeout of 0.1 s"
    assert cleaned == ["timeout"]
    assert heard.names == ["JobTimedOut", "JobExceptionOccurred", "JobFailed", "JobAttempted"]
    assert heard.of(JobTimedOut)[0].timeout == 0.1


async def test_a_timeout_counts_as_an_exception_and_the_backoff_applies(app: AsyncQ) -> None:
    heard = Heard(app, JobReleasedAfterException)
    attempts: list[int] = []

    class Hangs(Job, timeout=0.05, tries=3, backoff=[0.01, 9], max_exceptions=2):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            await anyio.sleep_forever()

    async with app, app.worker():
        await Hangs().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert attempts == [1, 2]
    assert [event.delay for event in heard.of(JobReleasedAfterException)] == [0.01]
    assert record.error.startswith("TooManyExceptions: it raised 2 times: JobTimeout")


async def test_fail_on_timeout_ends_the_job_at_the_first_one(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Hangs(Job, timeout=0.05, tries=3, fail_on_timeout=True):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            await anyio.sleep_forever()

    async with app, app.worker():
        await Hangs().dispatch()
        await empty(app)
        assert len(await failed_jobs(app)) == 1
    assert attempts == [1]


async def test_retry_on_does_not_keep_a_timeout_from_being_tried_again(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Hangs(Job, timeout=0.05, tries=2, retry_on=(ConnectionError,)):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            if ctx.attempt == 1:
                await anyio.sleep_forever()

    async with app, app.worker():
        await Hangs().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert attempts == [1, 2]


async def test_timeout_0_is_none_and_beats_the_worker(app: AsyncQ) -> None:
    deadlines: list[datetime | None] = []

    class Slow(Job, timeout=0):
        async def handle(self, ctx: JobContext) -> None:
            deadlines.append(ctx.deadline)
            await anyio.sleep(0.15)

    async with app, app.worker(timeout=0.05):
        await Slow().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert deadlines == [None]


async def test_a_handler_that_makes_it_in_time_keeps_its_result_whatever_it_was_told(app: AsyncQ) -> None:
    """A run that ends while its cancellation is under way has ended."""
    done: list[int] = []

    class Close(Job, timeout=0.05):
        async def handle(self) -> None:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.1)
            done.append(1)

    async with app, app.worker():
        await Close().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert done == [1]


async def test_the_context_says_when_the_attempt_times_out(app: AsyncQ) -> None:
    deadlines: list[float] = []

    class Asks(Job, timeout=30):
        async def handle(self, ctx: JobContext) -> None:
            assert ctx.deadline is not None
            deadlines.append((ctx.deadline - datetime.now(UTC)).total_seconds())

    async with app, app.worker():
        await Asks().dispatch()
        await empty(app)
    assert 29 < deadlines[0] <= 30


async def test_a_thread_past_its_timeout_fails_and_keeps_its_place_until_it_ends(app: AsyncQ) -> None:
    free = threading.Event()
    started: list[int] = []

    class Blocks(Job, timeout=0.1):
        number: int

        def handle(self) -> None:
            started.append(self.number)
            if self.number == 1:
                free.wait(10)

    async with app, app.worker(concurrency=2):
        await Blocks(number=1).dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
        assert record.error.startswith("JobTimeout")
        await app.dispatch_many([Blocks(number=2), Blocks(number=3)])
        await empty(app)
        assert sorted(started) == [1, 2, 3]
        free.set()


async def test_the_timeout_of_a_thread_starts_when_the_thread_starts(app: AsyncQ) -> None:
    """With fewer threads than jobs, the ones that wait for a thread must not time out on the way."""
    done: list[int] = []

    class Brief(Job, timeout=0.4):
        number: int

        def handle(self) -> None:
            time.sleep(0.25)
            done.append(self.number)

    def one_thread(size: int) -> Threads:
        return Threads(1)

    async with app:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("asyncq.worker.supervisor.Threads", one_thread)
            async with app.worker(concurrency=3):
                await app.dispatch_many([Brief(number=number) for number in range(3)])
                await empty(app)
        assert not await failed_jobs(app)
    assert sorted(done) == [0, 1, 2]


async def test_a_process_past_its_timeout_is_killed(app: AsyncQ) -> None:
    others = _children()
    async with app, app.worker():
        await Nap(seconds=30, note="x").dispatch(timeout=1.5)
        await empty(app, within=15)
        [record] = await failed_jobs(app)
    assert record.error.startswith("JobTimeout")
    await eventually(lambda: _children() <= others)


def _children() -> set[str]:
    """Our own processes: handlers that are still there, and servers of other tests."""
    found: set[str] = set()
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                with open(f"/proc/{entry.name}/stat", encoding="utf-8") as file:  # noqa: PTH123 - no Path in /proc
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] == str(os.getpid()) and fields[0] != "Z":
                found.add(entry.name)
    return found
