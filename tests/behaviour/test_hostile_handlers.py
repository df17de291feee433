"""Handlers that do their worst: one failed attempt of that job, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asyncq import AsyncQ, Job, JobContext, Next
from asyncq.errors import HandlerStuck
from asyncq.events import JobFailed, JobTimedOut
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs

INNOCENTS = 9


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class UnprintableBase(BaseException):
    def __repr__(self) -> str:
        raise SystemExit(4)

    def __str__(self) -> str:
        raise SystemExit(3)


def group() -> BaseException:
    return ExceptionGroup("two", [ValueError("a"), ExceptionGroup("inner", [KeyError("b")])])


def base_group() -> BaseException:
    return BaseExceptionGroup("worse", [SystemExit(1), ValueError("a")])


ERRORS: dict[str, tuple[Any, str]] = {
    "SystemExit": (SystemExit, "SystemExit"),
    "SystemExit with a code": (lambda: SystemExit(7), "SystemExit: 7"),
    "KeyboardInterrupt": (KeyboardInterrupt, "KeyboardInterrupt"),
    "a stray CancelledError": (asyncio.CancelledError, "CancelledError"),
    "ExceptionGroup": (group, "ExceptionGroup: two (2 sub-exceptions)"),
    "BaseExceptionGroup": (base_group, "BaseExceptionGroup: worse (2 sub-exceptions)"),
    "an error without a text": (Unprintable, "Unprintable: (its text cannot be shown: RuntimeError)"),
    "an error whose text ends the process": (
        UnprintableBase,
        "UnprintableBase: (its text cannot be shown: SystemExit)",
    ),
    "StopIteration": (lambda: StopIteration(3), "RuntimeError: coroutine raised StopIteration"),
    "StopAsyncIteration": (StopAsyncIteration, "StopAsyncIteration"),
    "GeneratorExit": (GeneratorExit, "GeneratorExit"),
    "MemoryError": (MemoryError, "MemoryError"),
    "RecursionError": (RecursionError, "RecursionError"),
    "TimeoutError": (TimeoutError, "TimeoutError"),
}


@pytest.mark.parametrize("place", ["async", "sync"])
@pytest.mark.parametrize("what", ERRORS)
async def test_whatever_a_handler_raises_is_one_failed_attempt_of_its_job(what: str, place: str) -> None:
    make, expected = ERRORS[what]
    done: list[int] = []
    tried: list[int] = []

    class Hostile(Job, tries=2):
        async def handle(self, ctx: JobContext) -> None:
            tried.append(ctx.attempt)
            raise make()

    class HostileThread(Job, tries=2):
        def handle(self, ctx: JobContext) -> None:
            tried.append(ctx.attempt)
            raise make()

    class Innocent(Job):
        number: int

        async def handle(self) -> None:
            await anyio.lowlevel.checkpoint()
            done.append(self.number)

    app = AsyncQ("memory://")
    heard = Heard(app, JobFailed)
    async with app, app.worker(concurrency=4):
        await app.dispatch_many([Innocent(number=number) for number in range(4)])
        await (Hostile() if place == "async" else HostileThread()).dispatch()
        await app.dispatch_many([Innocent(number=number) for number in range(4, INNOCENTS)])
        await empty(app)
        [record] = await failed_jobs(app)
        await heard.until(JobFailed)
    assert sorted(done) == list(range(INNOCENTS))
    assert tried == [1, 2]
    assert record.error == expected
    assert len(heard.events) == 1


async def deafly(free: anyio.Event, heard: list[int] | None = None) -> None:
    """Wait, and swallow every cancellation; not for ever, so that a test that fails can end."""
    until = time.monotonic() + 8
    while not free.is_set() and time.monotonic() < until:
        try:
            await asyncio.sleep(0.05)
        except asyncio.CancelledError:
            if heard is not None:
                heard.append(1)


async def test_a_handler_that_cancels_its_own_task_fails_once(app: AsyncQ) -> None:
    tried: list[int] = []

    class Suicidal(Job):
        async def handle(self) -> None:
            tried.append(1)
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await anyio.lowlevel.checkpoint()

    class Innocent(Job):
        async def handle(self) -> None:
            tried.append(2)

    async with app, app.worker(concurrency=2):
        await Suicidal().dispatch()
        await empty(app)
        await Innocent().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert tried == [1, 2]
    assert record.error.startswith("CancelledError")


async def test_a_cancelled_child_task_of_a_handler_fails_it_once(app: AsyncQ) -> None:
    class Waits(Job):
        async def handle(self) -> None:
            child = asyncio.ensure_future(asyncio.sleep(60))
            asyncio.get_running_loop().call_soon(child.cancel)
            await child

    async with app, app.worker():
        await Waits().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error.startswith("CancelledError")


async def test_a_handler_deaf_to_its_timeout_burns_no_cpu_and_harms_nobody(app: AsyncQ) -> None:
    done: list[int] = []
    free = anyio.Event()
    deaf: list[int] = []

    class Deaf(Job, timeout=0.1):
        async def handle(self) -> None:
            await deafly(free, deaf)

    class Innocent(Job):
        async def handle(self) -> None:
            done.append(1)

    heard = Heard(app, JobTimedOut)
    async with app, app.worker(concurrency=4):
        await Deaf().dispatch()
        await eventually(lambda: bool(deaf))
        await anyio.sleep(0.1)  # past the first deliveries of the cancellation
        started, used = time.monotonic(), time.process_time()
        with anyio.move_on_after(0.4):
            await anyio.sleep_forever()
        burnt = (time.process_time() - used) / (time.monotonic() - started)
        await app.dispatch_many([Innocent() for _ in range(INNOCENTS)])
        await eventually(lambda: len(done) == INNOCENTS)
        assert burnt < 0.3
        free.set()
        await empty(app)
        await heard.until(JobTimedOut)
        [record] = await failed_jobs(app)
    assert record.error.startswith("JobTimeout")


async def test_a_handler_that_stays_deaf_is_recorded_as_timed_out_and_its_slot_is_lost(
    app: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[int] = []
    free = anyio.Event()

    class Deaf(Job, timeout=0.05):
        async def handle(self) -> None:
            await deafly(free)

    class Innocent(Job):
        async def handle(self) -> None:
            done.append(1)

    async with app, app.worker(concurrency=2, cancel_grace=0.2):
        await Deaf().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
        assert record.error.startswith("JobTimeout")
        await app.dispatch_many([Innocent() for _ in range(INNOCENTS)])
        await empty(app)
        assert len(done) == INNOCENTS
        assert "does not react to being cancelled" in caplog.text
        free.set()
        await anyio.sleep(0.1)


async def test_a_handler_whose_thread_outlives_an_embedded_worker_is_told_to_its_host() -> None:
    app = AsyncQ("memory://")
    started, free = threading.Event(), threading.Event()

    class Sleepy(Job):
        def handle(self) -> None:
            started.set()
            free.wait(30)

    async with app:
        with pytest.raises(HandlerStuck, match="1 handler in threads"):
            async with app.worker(grace=0):
                await Sleepy().dispatch()
                await eventually(started.is_set)
        free.set()


async def test_a_worker_without_a_slot_left_stops_and_shows_where_the_handler_is(
    app: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    free = anyio.Event()

    class Deaf(Job, timeout=0.05):
        async def handle(self) -> None:
            await deafly(free)

    async with app:
        with pytest.raises(HandlerStuck, match="Deaf"):
            async with app.worker(concurrency=1, cancel_grace=0.1, grace=0):
                await Deaf().dispatch()
                await empty(app)
        assert "deafly" in caplog.text  # its stack
        free.set()
        await eventually(lambda: len(asyncio.all_tasks()) == 1)


async def test_tasks_that_a_handler_leaves_behind_do_not_hold_its_slot(app: AsyncQ) -> None:
    left: list[asyncio.Task[None]] = []
    free = anyio.Event()

    class Litters(Job):
        async def handle(self) -> None:
            left.append(asyncio.create_task(free.wait()))

    async with app, app.worker(concurrency=1):
        await app.dispatch_many([Litters() for _ in range(INNOCENTS)])
        await empty(app)
        assert not await failed_jobs(app)
        assert len(left) == INNOCENTS
    assert not any(task.done() for task in left)
    free.set()
    await asyncio.gather(*left)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("error", [ValueError, SystemExit, asyncio.CancelledError], ids=lambda error: error.__name__)
async def test_a_middleware_that_raises_fails_only_its_job(when: str, error: type[BaseException]) -> None:
    ran: list[str] = []

    async def broken(ctx: JobContext, call_next: Next, /) -> Any:
        if when == "before":
            raise error("broken")
        await call_next(ctx)
        raise error("broken")

    class Wrapped(Job, middleware=[broken]):
        async def handle(self) -> None:
            ran.append("wrapped")

    class Innocent(Job):
        async def handle(self) -> None:
            ran.append("innocent")

    app = AsyncQ("memory://")
    async with app, app.worker():
        await app.dispatch_many([Wrapped(), Innocent()])
        await empty(app)
        [record] = await failed_jobs(app)
    assert ran.count("innocent") == 1
    assert ran.count("wrapped") == (when == "after")
    assert record.error == f"{error.__name__}: broken"


async def test_a_middleware_that_is_no_coroutine_function_fails_only_its_job(app: AsyncQ) -> None:
    def sync(ctx: JobContext, call_next: Next, /) -> Any:
        return None

    class Wrapped(Job, middleware=[sync]):
        async def handle(self) -> None: ...

    async with app, app.worker():
        await Wrapped().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error.startswith("TypeError")


@pytest.mark.parametrize("broken", ["raises", "no list"])
async def test_a_middleware_method_that_is_broken_fails_only_its_job(app: AsyncQ, broken: str) -> None:
    class Wrapped(Job):
        def middleware(self) -> Any:
            if broken == "raises":
                raise LookupError("no middleware")
            return 3

        async def handle(self) -> None: ...

    async with app, app.worker():
        await Wrapped().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error.split(":")[0] == ("LookupError" if broken == "raises" else "TypeError")


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
async def test_a_coroutine_as_a_result_harms_nobody(app: AsyncQ) -> None:
    class Forgets(Job):
        def handle(self) -> Any:
            return anyio.lowlevel.checkpoint()

    async with app, app.worker():
        await Forgets().dispatch()
        await empty(app)
    gc.collect()


@pytest.mark.parametrize("place", ["async", "sync"])
async def test_a_result_that_no_json_can_hold_leaves_the_job_done(app: AsyncQ, place: str) -> None:
    class Odd(Job):
        async def handle(self) -> object:
            return object()

    class OddThread(Job):
        def handle(self) -> object:
            return {object(): object()}

    async with app, app.worker():
        await (Odd() if place == "async" else OddThread()).dispatch()
        await empty(app)
        assert not await failed_jobs(app)


@pytest.mark.parametrize("place", ["async", "sync"])
async def test_a_failed_hook_that_raises_is_logged_and_the_job_is_kept(
    app: AsyncQ, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Async(Job):
        async def handle(self) -> None:
            raise ValueError("first")

        async def failed(self, error: BaseException, /) -> None:
            raise SystemExit("second")

    class Sync(Job):
        async def handle(self) -> None:
            raise ValueError("first")

        def failed(self, error: BaseException, /) -> None:
            raise KeyError("second")

    async with app, app.worker():
        await (Async() if place == "async" else Sync()).dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error == "ValueError: first"
    assert "second" in caplog.text
