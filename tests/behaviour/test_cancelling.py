"""Cancelling jobs that wait, or run in the loop, a thread or a process; the reason is the same everywhere."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable

import anyio
import pytest

from asyncq import AsyncQ, Job, JobContext, JobHandle
from asyncq.errors import JobCancelled as JobWasCancelled
from asyncq.events import JobAttempted, JobCancelled, JobFailed, JobInterrupted, JobProcessed
from asyncq.payload import Released, Settlement
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs, size_of, until
from tests.behaviour.places import Nap

Started = Callable[[], Awaitable[None]]


async def running(handle: JobHandle[object]) -> None:
    await until(handle, "running")


@pytest.mark.parametrize("delay", [0, 1_000], ids=["waiting", "delayed"])
async def test_a_job_that_waits_is_forgotten_and_its_key_is_free(app: AsyncQ, delay: float) -> None:
    heard = Heard(app, JobCancelled)

    class Waits(Job, unique=True):
        async def handle(self) -> None: ...

    async with app:
        handle = await Waits().dispatch(delay=delay)
        assert await handle.cancel() is True
        assert await handle.status() == "cancelled"
        assert await handle.cancel() is True, "it is cancelled, whoever asks again"
        assert (await size_of(app)).total == 0
        [event] = heard.of(JobCancelled)
        assert (event.id, event.attempt, event.reason) == (handle.id, 0, "user")
        assert (await Waits().dispatch()).created


async def test_a_running_async_job_is_cancelled_with_its_reason_everywhere(app: AsyncQ) -> None:
    heard = Heard(app, JobCancelled, JobAttempted, JobFailed, JobProcessed)
    seen: list[object] = []
    began = anyio.Event()

    class Hangs(Job, keep_result=60, tries=5):
        async def handle(self, ctx: JobContext) -> None:
            began.set()
            try:
                await anyio.sleep_forever()
            finally:
                seen.append(ctx.interruption)

        async def failed(self, error: BaseException, /) -> None:
            seen.append("failed")

    async with app, app.worker():
        handle = await Hangs().dispatch()
        await began.wait()  # leased is not begun
        assert await handle.status() == "running"
        assert await handle.cancel() is True
        with pytest.raises(JobWasCancelled, match="was cancelled") as caught:
            await handle.result(timeout=10)
        assert caught.value.reason == "user"
        await heard.until(JobAttempted)
        assert await handle.status() == "cancelled"
        assert list(await failed_jobs(app)) == []
    assert seen == ["user"]
    assert heard.names == ["JobCancelled", "JobAttempted"]
    assert heard.of(JobCancelled)[0].reason == "user"


async def test_a_running_thread_is_told_and_what_it_does_counts_no_more(
    app: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard(app, JobCancelled, JobProcessed)
    started = threading.Event()
    seen: list[str] = []

    class Blocks(Job, keep_result=60):
        def handle(self, ctx: JobContext) -> None:
            started.set()
            while ctx.interruption is None:
                threading.Event().wait(0.005)
            seen.append(ctx.interruption)

    with caplog.at_level(logging.CRITICAL, "asyncq.worker"):
        async with app, app.worker():
            handle = await Blocks().dispatch()
            await eventually(started.is_set)
            assert await handle.cancel() is True
            await heard.until(JobCancelled)
            await eventually(lambda: seen == ["user"])
            await until(handle, "cancelled")
            await empty(app)
    assert heard.names == ["JobCancelled"]


async def test_a_running_process_is_ended() -> None:
    app = AsyncQ("memory://")
    heard = Heard(app, JobCancelled, JobProcessed)
    async with app, app.worker():
        handle = await Nap(seconds=60, note="never").dispatch()
        await running(handle)
        assert await handle.cancel() is True
        await heard.until(JobCancelled)
        await empty(app)
    assert heard.names == ["JobCancelled"]


async def test_jobs_that_a_worker_holds_and_has_not_begun_are_cancelled(app: AsyncQ) -> None:
    heard = Heard(app, JobCancelled)
    go = anyio.Event()
    ran: list[int] = []

    class Waits(Job):
        number: int

        async def handle(self) -> None:
            ran.append(self.number)
            await go.wait()

    async with app, app.worker(concurrency=1, prefetch=2):
        first, second = await Waits(number=1).dispatch(), await Waits(number=2).dispatch()
        await running(first)
        await running(second)  # leased, though its slot is not free
        assert await second.cancel() is True
        await heard.until(JobCancelled)
        go.set()
        await empty(app)
    assert ran == [1]
    assert heard.of(JobCancelled)[0].id == second.id


async def test_a_wish_reaches_the_worker_that_takes_the_job_later(app: AsyncQ) -> None:
    """The wish comes while one worker holds the job and hands it back; the next one must not run it."""
    heard = Heard(app, JobCancelled, JobProcessed)
    ran: list[str] = []

    class Waits(Job):
        async def handle(self) -> None:
            ran.append("ran")

    async with app:
        handle = await Waits().dispatch()
        driver = (await app.engine()).driver(app.default)
        [held] = (await driver.reserve(["default"], limit=1)).items
        assert await handle.cancel() is True
        await driver.settle([Settlement(held, Released(None, "nothing"))])
        async with app.worker():
            await heard.until(JobCancelled)
            await empty(app)
    assert ran == []


async def test_what_has_ended_cannot_be_cancelled(app: AsyncQ) -> None:
    class Ends(Job):
        async def handle(self) -> None: ...

    async with app, app.worker():
        handle = await Ends().dispatch()
        await empty(app)
        assert await handle.cancel() is False
        assert await handle.status() == "done"


async def test_a_wish_that_was_done_does_not_hit_a_later_job_of_the_same_id(app: AsyncQ) -> None:
    heard = Heard(app, JobCancelled, JobProcessed)

    class Hangs(Job):
        hang: bool = True

        async def handle(self) -> None:
            if self.hang:
                await anyio.sleep_forever()

    async with app, app.worker():
        handle = await Hangs().dispatch(id="mine")
        await running(handle)
        await handle.cancel()
        await heard.until(JobCancelled)
        signals = (await app.engine()).driver(app.default).stores.signals
        assert signals is not None
        with anyio.fail_after(15):
            while await signals.page("cancel:"):  # noqa: ASYNC110 - forgotten at the worker's next look
                await anyio.sleep(0.02)
        await Hangs(hang=False).dispatch(id="mine")
        await heard.until(JobProcessed)
    assert heard.names == ["JobCancelled", "JobProcessed"]


async def test_a_handler_deaf_to_being_cancelled_is_given_up(app: AsyncQ, caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard(app, JobCancelled)
    began, end = anyio.Event(), anyio.Event()

    class Deaf(Job, keep_result=60):
        async def handle(self) -> None:
            began.set()
            while not end.is_set():
                try:
                    await end.wait()
                except BaseException:  # noqa: S112
                    continue

    with caplog.at_level(logging.CRITICAL, "asyncq.worker"):
        async with app, app.worker(cancel_grace=0.2):
            handle = await Deaf().dispatch()
            await began.wait()
            try:
                assert await handle.cancel() is True
                await heard.until(JobCancelled)
            finally:
                end.set()  # whatever happens: nothing else ends it
            await until(handle, "cancelled")


async def test_a_stop_during_a_run_is_told_as_a_shutdown(app: AsyncQ) -> None:
    heard = Heard(app, JobInterrupted)
    seen: list[object] = []

    began = anyio.Event()

    class Hangs(Job):
        async def handle(self, ctx: JobContext) -> None:
            began.set()
            try:
                await anyio.sleep_forever()
            finally:
                seen.append(ctx.interruption)

    async with app:
        async with app.worker(grace=0.05):
            handle = await Hangs().dispatch()
            await began.wait()
        assert await handle.status() == "queued"
    assert seen == ["shutdown"]
    assert heard.of(JobInterrupted)[0].reason == "shutdown"
