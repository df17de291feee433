"""How often a job is tried, and when it is tried again."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asyncq import AsyncQ, Job, JobContext, job
from asyncq.errors import RetryUntilPassed, TooManyAttempts, TooManyExceptions
from asyncq.events import JobReleasedAfterException
from tests.behaviour.looking import Heard, empty, failed_jobs


class Boom(Exception):
    pass


async def test_a_job_that_succeeds_runs_once_and_is_forgotten(app: AsyncQ) -> None:
    ran: list[int] = []

    @job
    async def work() -> None:
        ran.append(1)

    async with app, app.worker():
        await work.dispatch()
        await empty(app)
        assert ran == [1]
        assert not await failed_jobs(app)


async def test_a_job_is_tried_once_unless_it_says_otherwise(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Fails(Job):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            raise Boom("once")

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert attempts == [1]
    assert record.error == "Boom: once"


async def test_a_job_that_fails_is_tried_as_often_as_its_tries_allow(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Fails(Job, tries=3):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            raise Boom

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert attempts == [1, 2, 3]
    assert (record.attempts, record.exceptions, record.crashes) == (3, 2, 0)


@pytest.mark.parametrize(
    ("options", "worker", "expected"),
    [({}, 4, 4), ({"tries": 2}, 4, 2), ({}, 1, 1)],
    ids=["the worker's", "the dispatch's before the worker's", "one"],
)
async def test_the_worker_decides_for_jobs_that_say_nothing(
    app: AsyncQ, options: Any, worker: int, expected: int
) -> None:
    attempts: list[int] = []

    class Fails(Job):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            raise Boom

    async with app, app.worker(tries=worker):
        await Fails().dispatch(**options)
        await empty(app)
    assert len(attempts) == expected


async def test_tries_0_has_no_limit_and_beats_the_worker(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Stubborn(Job, tries=0):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            if ctx.attempt < 7:
                raise Boom

    async with app, app.worker(tries=2):
        await Stubborn().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert attempts == [1, 2, 3, 4, 5, 6, 7]


async def test_the_waits_follow_the_backoff_list_and_its_last_one_repeats(app: AsyncQ) -> None:
    heard = Heard(app, JobReleasedAfterException)

    class Fails(Job, tries=5, backoff=[0.01, 0.02, 0.03]):
        async def handle(self) -> None:
            raise Boom

    async with app, app.worker(backoff=[9.0]):
        await Fails().dispatch()
        await empty(app)
    assert [event.delay for event in heard.of(JobReleasedAfterException)] == [0.01, 0.02, 0.03, 0.03]


async def test_a_backoff_is_waited_for(app: AsyncQ) -> None:
    at: list[float] = []

    class Fails(Job, tries=2, backoff=timedelta(milliseconds=300)):
        async def handle(self) -> None:
            at.append(time.monotonic())
            raise Boom

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
    assert 0.25 < at[1] - at[0] < 15


async def test_a_delay_at_dispatch_is_no_backoff(app: AsyncQ) -> None:
    heard = Heard(app, JobReleasedAfterException)

    class Fails(Job, tries=2, delay=0.05):
        async def handle(self) -> None:
            raise Boom

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
    assert [event.delay for event in heard.of(JobReleasedAfterException)] == [0.0]


async def test_a_backoff_method_is_asked_with_attempt_and_error_and_beats_the_list(app: AsyncQ) -> None:
    asked: list[tuple[int, str]] = []
    heard = Heard(app, JobReleasedAfterException)

    class Fails(Job, tries=3, backoff=9):
        async def handle(self) -> None:
            raise Boom("why")

        def backoff(self, attempt: int, error: BaseException) -> float | timedelta:
            asked.append((attempt, str(error)))
            return timedelta(milliseconds=20) if attempt == 1 else 0.03

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
    assert asked == [(1, "why"), (2, "why")]
    assert [event.delay for event in heard.of(JobReleasedAfterException)] == [0.02, 0.03]


async def test_a_backoff_method_that_raises_leaves_the_setting(app: AsyncQ, caplog: pytest.LogCaptureFixture) -> None:
    heard = Heard(app, JobReleasedAfterException)

    class Fails(Job, tries=2, backoff=0.01):
        async def handle(self) -> None:
            raise Boom

        def backoff(self, attempt: int, error: BaseException) -> float:
            raise RuntimeError("no idea")

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
    assert [event.delay for event in heard.of(JobReleasedAfterException)] == [0.01]
    assert "backoff() of" in caplog.text


async def test_retry_for_takes_the_place_of_tries(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Fails(Job, tries=1, retry_for=60):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            if ctx.attempt < 4:
                raise Boom

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert attempts == [1, 2, 3, 4]


async def test_a_job_past_its_retry_until_fails_without_running(app: AsyncQ) -> None:
    ran: list[int] = []

    class Late(Job, retry_for=0.05):
        async def handle(self) -> None:
            ran.append(1)

    async with app:
        await Late().dispatch(delay=0.2)
        async with app.worker():
            await empty(app)
        [record] = await failed_jobs(app)
    assert not ran
    assert record.error.startswith(RetryUntilPassed.__name__)


async def test_a_run_that_outlives_its_retry_until_is_the_last_one(app: AsyncQ) -> None:
    ran: list[int] = []

    class Slow(Job, tries=9):
        until: float

        def retry_until(self) -> datetime:
            return datetime.fromtimestamp(self.until, UTC)

        def handle(self) -> None:
            ran.append(1)
            time.sleep(max(0.0, self.until - time.time()) + 0.05)
            raise Boom("too late")

    async with app, app.worker():
        for seconds in (0.2, 2, 10):  # a busy machine may come to it too late, and then it does not run at all
            await Slow(until=time.time() + seconds).dispatch()
            await empty(app, within=30)
            if ran:
                break
        record, *_ = await failed_jobs(app)
    assert ran == [1]
    assert record.error == "Boom: too late"


@pytest.mark.parametrize("until", ["datetime", "seconds", "timedelta"])
async def test_a_retry_until_method_may_say_an_instant_or_a_duration(app: AsyncQ, until: str) -> None:
    attempts: list[int] = []

    class Fails(Job):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            if ctx.attempt < 3:
                raise Boom

        def retry_until(self) -> datetime | timedelta | float:
            minute = timedelta(minutes=1)
            if until == "datetime":
                return datetime.now(UTC) + minute
            return minute if until == "timedelta" else 60.0

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert attempts == [1, 2, 3]


async def test_only_the_errors_of_retry_on_are_tried_again(app: AsyncQ) -> None:
    ran: list[str] = []

    class Picky(Job, tries=3, retry_on=(ConnectionError,)):
        kind: str

        async def handle(self) -> None:
            ran.append(self.kind)
            raise ConnectionResetError if self.kind == "net" else Boom

    async with app, app.worker():
        await Picky(kind="net").dispatch()
        await Picky(kind="other").dispatch()
        await empty(app)
    assert (ran.count("net"), ran.count("other")) == (3, 1)


async def test_an_error_of_fail_on_ends_the_job_at_once(app: AsyncQ) -> None:
    ran: list[int] = []

    class Picky(Job, tries=3, fail_on=LookupError):
        async def handle(self) -> None:
            ran.append(1)
            raise KeyError("gone")

    async with app, app.worker():
        await Picky().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert ran == [1]
    assert record.error == "KeyError: 'gone'"


async def test_max_exceptions_counts_exceptions_and_no_releases(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Wobbly(Job, tries=0, max_exceptions=2):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            if ctx.attempt in {1, 2, 4}:
                ctx.release()
            raise Boom("again")

    async with app, app.worker():
        await Wobbly().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert attempts == [1, 2, 3, 4, 5]
    assert record.error.startswith(TooManyExceptions.__name__)
    assert "Boom: again" in record.traceback


async def test_a_job_that_comes_back_without_an_error_once_too_often_fails_before_it_runs(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Releases(Job, tries=2):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            ctx.release()

    async with app, app.worker():
        await Releases().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert attempts == [1, 2]
    assert record.error.startswith(TooManyAttempts.__name__)


async def test_settings_are_frozen_at_dispatch(app: AsyncQ) -> None:
    attempts: list[int] = []

    class Frozen(Job, tries=2):
        many: bool

        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            raise Boom

        def tries(self) -> int:
            return 3 if self.many else 1

    async with app:
        await Frozen(many=True).dispatch()
        Frozen.tries = lambda self: 1  # type: ignore[method-assign]  # a deploy between dispatch and run
        async with app.worker():
            await empty(app)
    assert attempts == [1, 2, 3]
