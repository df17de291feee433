"""`dispatch_sync` and `sync://`: here and now, through the codec and the middleware, and the error is the caller's."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any

import anyio
import pytest

from asyncq import AsyncQ, Fail, Job, JobContext, Skip, current, job
from asyncq.errors import EncodeError, ManuallyFailed, NotOpen
from asyncq.events import JobProcessing
from tests.behaviour.looking import Heard, failed_jobs, size_of


class Boom(Exception):
    pass


class Add(Job):
    left: int
    right: int = 1

    async def handle(self) -> int:
        return self.left + self.right


@job
def add(left: int, right: int) -> int:
    return left + right


@job
async def times(left: int, *, right: int) -> int:
    return left * right


async def test_the_result_comes_back(app: AsyncQ) -> None:
    async with app:
        assert await Add(left=2).dispatch_sync() == 3
        assert await add.bind(2, 3).dispatch_sync() == 5
        assert await times.bind(2, right=4).dispatch_sync() == 8
        assert (await size_of(app)).total == 0


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_error_reaches_the_caller_after_one_attempt(app: AsyncQ, kind: str) -> None:
    attempts: list[int] = []
    told: list[str] = []

    class Async(Job, tries=5, backoff=9):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            raise Boom("here")

        async def failed(self, error: BaseException, /) -> None:
            told.append(str(error))

    class Sync(Job, tries=5, backoff=9):
        def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            raise Boom("here")

        def failed(self, error: BaseException, /) -> None:
            told.append(str(error))

    async with app:
        with pytest.raises(Boom, match="here"):
            await (Async() if kind == "async" else Sync()).dispatch_sync()
        assert not await failed_jobs(app)
    assert (attempts, told) == ([1], ["here"])


async def test_the_round_trip_through_the_codec_is_made(app: AsyncQ) -> None:
    class Takes(Job):
        items: list[int]

        async def handle(self) -> int:
            self.items.append(3)
            return len(self.items)

    async with app:
        mine = [1, 2]
        assert await Takes(items=mine).dispatch_sync() == 3
        assert mine == [1, 2]
        with pytest.raises(EncodeError, match="left"):
            await Add(left="no").dispatch_sync()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test


async def test_a_release_runs_again_in_place_after_its_delay(app: AsyncQ) -> None:
    at: list[float] = []

    class Waits(Job):
        async def handle(self, ctx: JobContext) -> int:
            at.append(time.monotonic())
            if ctx.attempt < 3:
                ctx.release(0.05)
            return ctx.attempt

    async with app:
        assert await Waits().dispatch_sync() == 3
    assert at[1] - at[0] >= 0.05


async def test_fail_is_raised_and_skip_has_no_result(app: AsyncQ) -> None:
    class Ends(Job):
        how: str

        async def handle(self) -> str:
            raise Fail("no") if self.how == "fail" else Skip("nothing to do")

    async with app:
        with pytest.raises(ManuallyFailed, match="no"):
            await Ends(how="fail").dispatch_sync()
        assert await Ends(how="skip").dispatch_sync() is None


async def test_the_timeout_does_not_apply(app: AsyncQ) -> None:
    class Slow(Job, timeout=0.02):
        async def handle(self) -> str:
            await anyio.sleep(0.1)
            return "done"

    async with app:
        assert await Slow().dispatch_sync() == "done"


async def test_a_caller_that_is_cancelled_cancels_the_run(app: AsyncQ) -> None:
    ended: list[str] = []
    started = anyio.Event()

    class Waits(Job):
        async def handle(self) -> None:
            started.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("handle")

    async with app:
        task = asyncio.create_task(Waits().dispatch_sync())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ended == ["handle"]


async def test_the_context_of_the_caller_is_there_and_its_current_job_afterwards(app: AsyncQ) -> None:
    seen: list[Any] = []

    class Inner(Job):
        async def handle(self, ctx: JobContext) -> None:
            seen.append(current() is ctx)

    class Outer(Job):
        async def handle(self, ctx: JobContext) -> None:
            await Inner().dispatch_sync()
            seen.append(current() is ctx)

    async with app:
        await Outer().dispatch_sync()
        with pytest.raises(NotOpen):
            current()
    assert seen == [True, True]


async def test_a_blocking_handler_runs_in_a_thread(app: AsyncQ) -> None:
    @job
    def where() -> int:
        return threading.get_ident()

    async with app:
        assert await where.bind().dispatch_sync() != threading.get_ident()


async def test_on_a_sync_connection_a_dispatch_runs_at_once_and_raises() -> None:
    ran: list[int] = []

    class Here(Job, tries=3):
        fails: bool = False

        async def handle(self, ctx: JobContext) -> None:
            ran.append(ctx.attempt)
            if self.fails:
                raise Boom

    async with AsyncQ("sync://") as app:
        heard = Heard(app, JobProcessing)
        assert (await Here().dispatch()).created
        with pytest.raises(Boom):
            await Here(fails=True).dispatch()
        assert not await failed_jobs(app)
    assert ran == [1, 1]
    assert heard.names == ["JobProcessing", "JobProcessing"]


@pytest.mark.parametrize("place", ["memory://", "sync://"], ids=["dispatch_sync", "a sync connection"])
async def test_what_listens_hears_how_each_attempt_ended(place: str) -> None:
    class Here(Job):
        how: str

        async def handle(self, ctx: JobContext) -> int:
            if self.how == "raises":
                raise Boom
            if self.how == "releases" and ctx.attempt == 1:
                ctx.release()
            return ctx.attempt

    async def told(how: str) -> list[str]:
        heard = Heard(app)
        with suppress(Boom):
            await (Here(how=how).dispatch() if place == "sync://" else Here(how=how).dispatch_sync())
        return [name for name in heard.names if not name.startswith("JobQueue")]

    async with AsyncQ(place) as app:
        assert await told("returns") == ["JobProcessing", "JobProcessed", "JobAttempted"]
    async with AsyncQ(place) as app:
        assert await told("raises") == ["JobProcessing", "JobExceptionOccurred", "JobFailed", "JobAttempted"]
    async with AsyncQ(place) as app:
        once = ["JobProcessing", "JobReleased", "JobAttempted"]
        assert await told("releases") == [*once, "JobProcessing", "JobProcessed", "JobAttempted"]


async def test_a_job_on_a_sync_connection_may_dispatch_another_one() -> None:
    ran: list[str] = []

    class Inner(Job):
        async def handle(self) -> None:
            ran.append("inner")

    class Outer(Job):
        async def handle(self) -> None:
            await Inner().dispatch()
            ran.append("outer")

    async with AsyncQ("sync://"):
        with anyio.fail_after(10):
            await Outer().dispatch()
    assert ran == ["inner", "outer"]


async def test_jobs_that_are_dispatched_at_once_on_a_sync_connection_run_at_once() -> None:
    both = anyio.Event()
    running: list[int] = []

    class Meets(Job):
        async def handle(self) -> None:
            running.append(1)
            if len(running) == 2:
                both.set()
            await both.wait()

    async with AsyncQ("sync://"):
        with anyio.fail_after(10):
            await asyncio.gather(Meets().dispatch(), Meets().dispatch())
