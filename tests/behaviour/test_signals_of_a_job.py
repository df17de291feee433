"""Release, Fail and Skip: how a job says what shall become of it, from any depth."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from asyncq import AsyncQ, Fail, Job, JobContext, Next, Release, Skip, current
from asyncq.events import Event, JobFailed, JobProcessed, JobReleased
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs


class Boom(Exception):
    pass


DELAYS: dict[str, Callable[[], Any]] = {
    "seconds": lambda: 0.2,
    "a timedelta": lambda: timedelta(milliseconds=200),
    "an instant": lambda: datetime.now(UTC) + timedelta(milliseconds=200),
}


@pytest.mark.parametrize("kind", DELAYS)
async def test_a_released_job_comes_back_after_its_delay_and_it_costs_an_attempt(app: AsyncQ, kind: str) -> None:
    at: list[float] = []
    attempts: list[int] = []
    heard = Heard(app, JobReleased, JobProcessed)

    class Waits(Job, tries=2):
        async def handle(self, ctx: JobContext) -> None:
            at.append(time.monotonic())
            attempts.append(ctx.attempt)
            if ctx.attempt == 1:
                ctx.release(DELAYS[kind]())

    async with app, app.worker():
        await Waits().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
        await heard.until(JobProcessed)
    assert attempts == [1, 2]
    assert 0.15 < at[1] - at[0] < 2
    assert heard.names == ["JobReleased", "JobProcessed"]


async def test_a_negative_delay_is_now(app: AsyncQ) -> None:
    heard = Heard(app, JobReleased)

    class Hasty(Job, tries=2):
        async def handle(self, ctx: JobContext) -> None:
            if ctx.attempt == 1:
                raise Release(-5)

    async with app, app.worker():
        await Hasty().dispatch()
        await empty(app)
    assert [event.delay for event in heard.of(JobReleased)] == [0.0]


async def test_a_release_to_an_instant_without_a_zone_fails_the_attempt(app: AsyncQ) -> None:
    class Naive(Job):
        async def handle(self) -> None:
            raise Release(datetime(2030, 1, 1))  # noqa: DTZ001 - the mistake under test

    async with app, app.worker():
        await Naive().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert "no time zone" in record.error


async def deep(raises: Callable[[], BaseException]) -> None:
    async def child() -> None:
        raise raises()

    async with anyio.create_task_group() as outer:
        async with anyio.create_task_group() as inner:
            inner.start_soon(child)
            inner.start_soon(anyio.sleep_forever)
        outer.start_soon(anyio.sleep_forever)


async def native(raises: Callable[[], BaseException]) -> None:
    async def child() -> None:
        raise raises()

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        group.create_task(anyio.sleep_forever())


@pytest.mark.parametrize("kind", [deep, native], ids=["anyio", "asyncio"])
@pytest.mark.parametrize(
    ("signal", "expected"),
    [(lambda: Release(0), ["JobReleased"]), (lambda: Fail("no"), ["JobFailed"]), (Skip, ["JobProcessed"])],
    ids=["Release", "Fail", "Skip"],
)
async def test_a_signal_works_from_a_child_task(
    signal: Callable[[], BaseException], expected: list[str], kind: Callable[..., Any]
) -> None:
    app = AsyncQ("memory://")
    heard = Heard(app, JobReleased, JobFailed, JobProcessed)

    class Deep(Job, tries=9):
        async def handle(self, ctx: JobContext) -> None:
            if ctx.attempt == 1:
                await kind(signal)

    async with app, app.worker():
        await Deep().dispatch()
        await empty(app)
        await eventually(lambda: heard.names[:1] == expected)  # told in a later turn of the loop than settled


async def both(*errors: BaseException) -> None:
    """Raise all at once, as a group."""

    async def child(error: BaseException) -> None:
        raise error

    async with anyio.create_task_group() as group:
        for error in errors:
            group.start_soon(child, error)


async def test_a_real_error_beside_a_release_wins(app: AsyncQ) -> None:
    class Mixed(Job):
        async def handle(self) -> None:
            await both(Release(0), Boom("real"))

    async with app, app.worker():
        await Mixed().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error == "Boom: real"


async def test_fail_wins_over_all(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Mixed(Job, tries=5):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            await both(Boom("real"), Release(0), Fail(Boom("the end")), Skip())

    async with app, app.worker():
        await Mixed().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert attempts == [1]
    assert record.error == "Boom: the end"


@pytest.mark.parametrize(
    ("reason", "error"),
    [
        ("no stock", "ManuallyFailed: no stock"),
        (Boom("x"), "Boom: x"),
        (None, "ManuallyFailed: The job failed itself."),
    ],
    ids=["a text", "an error", "nothing"],
)
async def test_fail_ends_the_job_whatever_tries_are_left(app: AsyncQ, reason: Any, error: str) -> None:
    attempts: list[int] = []

    class Gives(Job, tries=5):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            ctx.fail(reason)

    async with app, app.worker():
        await Gives().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error == error
    assert attempts == [1]


async def test_skip_is_a_success(app: AsyncQ) -> None:
    heard = Heard(app, JobProcessed, JobFailed)

    class Skips(Job):
        async def handle(self, ctx: JobContext) -> None:
            ctx.skip("nothing to do")

    async with app, app.worker():
        await Skips().dispatch()
        await empty(app)
        await heard.until(JobProcessed)
        assert not await failed_jobs(app)
    assert heard.names == ["JobProcessed"]


@pytest.mark.parametrize(
    ("signal", "event"),
    [(Release(0), JobReleased), (Fail("no"), JobFailed), (Skip(), JobProcessed)],
    ids=["Release", "Fail", "Skip"],
)
async def test_except_exception_lets_a_signal_through(signal: BaseException, event: type[Event]) -> None:
    swallowed: list[str] = []
    ended: list[str] = []
    app = AsyncQ("memory://")
    heard = Heard(app, JobReleased, JobFailed, JobProcessed)

    class Careful(Job):
        async def handle(self, ctx: JobContext) -> None:
            try:
                raise signal
            except Exception as error:
                swallowed.append(repr(error))
            finally:
                ended.append("finally")

    async with app, app.worker():
        await Careful().dispatch()
        await empty(app)
        await heard.until(event)
    assert not swallowed
    assert ended == ["finally"]


@pytest.mark.parametrize("place", ["thread", "middleware"])
async def test_a_signal_works_from_a_thread_and_from_a_middleware(app: AsyncQ, place: str) -> None:
    ran: list[int] = []

    async def puts_back(ctx: JobContext, call_next: Next, /) -> Any:
        if place == "middleware" and ctx.attempt == 1:
            ctx.release()
        return await call_next(ctx)

    class InThread(Job, tries=2, middleware=[puts_back]):
        def handle(self) -> None:
            ctx = current()
            ran.append(ctx.attempt)
            if place == "thread" and ctx.attempt == 1:
                ctx.release()

    async with app, app.worker():
        await InThread().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert ran == ([1, 2] if place == "thread" else [2])
