"""`queue.run()`, `asyncq.testing.run` and `drain`: jobs run in the loop of the test, as a worker runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import anyio
import anyio.lowlevel
import pytest

import asyncq
from asyncq import AsyncQ, ConfigError, Depends, Job, JobContext
from asyncq.errors import (
    EncodeError,
    JobTimeout,
    ManuallyFailed,
    RetryUntilPassed,
    TooManyAttempts,
    TooManyCrashes,
    TooManyExceptions,
)
from asyncq.events import Event, JobFailed, JobProcessed, JobReleased
from asyncq.testing import RunOutcome, drain, run
from tests.unit.testing.shop import Ledger, Mail, Order, Pack, count, greet, traced

told: list[str] = []


class Hooked(Job, tries=2, retry_for=timedelta(hours=1)):
    """Retries for an hour."""

    until: float = 0.0

    async def handle(self) -> None:
        raise TimeoutError("still not there")

    async def failed(self, error: BaseException, /) -> None:
        told.append(f"{type(error).__name__} {self.until:g}")


class Slow(Job, timeout=20, fail_on_timeout=True):
    """Waits for what never comes."""

    async def handle(self) -> None:
        told.append("started")
        await anyio.sleep_forever()


class Deaf(Job, timeout=0.01):
    """Does not react to being cancelled."""

    async def handle(self) -> None:
        while not told:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                continue


@pytest.fixture(autouse=True)
def nothing_told() -> None:
    told.clear()


def states(outcomes: Sequence[RunOutcome[Any]]) -> list[tuple[str, int, str]]:
    return [(type(outcome.job).__name__, outcome.attempt, outcome.state) for outcome in outcomes]


# --- queue.run() -----------------------------------------------------------------------------------------------------


async def test_a_fake_runs_what_is_there_and_what_that_dispatches() -> None:
    async with asyncq.fake() as queue:
        await Order(number=7).dispatch()
        outcomes = await queue.run()
        assert states(outcomes) == [("Order", 1, "done"), ("Mail", 1, "done")]
        assert [outcome.result for outcome in outcomes] == [7, "to ada"]
        queue.assert_dispatched(Pack, delay=60)
        assert await queue.run() == []
        queue.clock.advance(minutes=1)
        assert [outcome.result for outcome in await queue.run()] == ["packed 7"]


async def test_jobs_run_in_the_order_in_which_they_are_due_whatever_their_queue() -> None:
    async with asyncq.fake() as queue:
        await Pack(number=1).dispatch(delay=30)
        await Pack(number=2).dispatch(queue="zz")
        await Pack(number=3).dispatch(queue="aa")
        await Pack(number=4).dispatch(delay=10)
        outcomes = await queue.run(within=timedelta(minutes=1))
    assert [outcome.result for outcome in outcomes] == ["packed 2", "packed 3", "packed 4", "packed 1"]


async def test_only_the_queues_that_are_named_are_run() -> None:
    async with asyncq.fake() as queue:
        await Mail(to="ada").dispatch()
        await Pack(number=1).dispatch()
        assert states(await queue.run("mail", "other")) == [("Mail", 1, "done")]
        assert states(await queue.run()) == [("Pack", 1, "done")]


async def test_retries_wait_for_the_clock_of_the_fake() -> None:
    async with asyncq.fake() as queue:
        await Mail(to="ada", body="broken").dispatch()
        (first,) = await queue.run()
        assert (first.released, first.delay, type(first.error)) == (True, 10.0, ConnectionError)
        queue.clock.advance(9.9)
        assert await queue.run() == []
        queue.clock.advance(0.1)
        assert [outcome.delay for outcome in await queue.run()] == [3600.0]
        began = queue.clock.today()
        (last,) = await queue.run(within=timedelta(hours=24))
        assert (last.failed, last.attempt) == (True, 3)
        assert queue.clock.today() - began == timedelta(hours=24)
        assert await queue.run() == []


async def test_time_that_is_turned_counts_for_retry_until() -> None:
    async with asyncq.fake() as queue:
        await Hooked(until=1).dispatch(backoff=1300)
        outcomes = await queue.run(within=timedelta(days=1))
        assert [outcome.attempt for outcome in outcomes] == [1, 2, 3, 4]
        assert told == ["RetryUntilPassed 1"]
        await Hooked(until=2).dispatch()
        queue.clock.advance(hours=2)
        (late,) = await queue.run()
        assert isinstance(late.error, RetryUntilPassed)


async def test_a_job_that_runs_without_end_is_noticed() -> None:
    async with asyncq.fake() as queue:
        await Ledger(deed="release").dispatch(tries=0)
        with pytest.raises(AssertionError, match=r"after 5 runs .* tests.unit.testing.shop:Ledger"):
            await queue.run(within=3600, limit=5)


async def test_middleware_and_listeners_of_the_app_are_there() -> None:
    trace: list[str] = []
    heard: list[str] = []
    app = AsyncQ("redis://127.0.0.1:1/0", middleware=[traced(trace)])

    def note(event: Event) -> None:
        heard.append(type(event).__name__)

    for kind in (JobProcessed, JobReleased, JobFailed):
        app.on(kind)(note)
    async with asyncq.fake() as queue:
        await Ledger().dispatch()
        await Ledger(deed="release").dispatch()
        await Ledger(deed="fail").dispatch()
        await queue.run()
        engine = await app.engine()
        store = engine.failed_store("default")
        assert store is not None
        assert [job.error for job in (await store.page()).items] == ["ManuallyFailed: broken"]
    assert trace == ["Ledger 1"] * 3
    assert heard == ["JobProcessed", "JobReleased", "JobFailed"]


async def test_failed_jobs_reach_the_connection_that_keeps_them() -> None:
    app = AsyncQ("redis://127.0.0.1:1/0", failed="redis://127.0.0.1:1/1")
    async with asyncq.fake() as queue:
        await Ledger(deed="fail").dispatch()
        await queue.run()
        store = (await app.engine()).driver("failed").stores.failed
        assert store is not None
        assert (await store.page()).total == 1


# --- run() -----------------------------------------------------------------------------------------------------------


async def test_one_run_tells_how_it_ended() -> None:
    done = await run(Ledger(), attempt=2)
    assert (done.done, done.result, done.attempt, done.error) == (True, "attempt 2", 2, None)
    released = await run(Ledger(deed="release"))
    assert (released.released, released.delay) == (True, 7.0)
    skipped = await run(Ledger(deed="skip"))
    assert (skipped.skipped, skipped.reason) == (True, "no need")
    failed = await run(Ledger(deed="fail"))
    assert failed.failed
    assert isinstance(failed.error, ManuallyFailed)
    assert not (done.released or done.failed or done.skipped or done.cancelled)


async def test_a_result_that_is_not_there_says_why() -> None:
    outcome = await run(Ledger(deed="raise"), attempt=2)
    with pytest.raises(AssertionError, match="Ledger was failed in attempt 2: ValueError: oops") as missing:
        _ = outcome.result
    assert isinstance(missing.value.__cause__, ValueError)


@pytest.mark.parametrize(
    ("settings", "state", "delay", "error"),
    [
        ({"attempt": 1}, "released", 10.0, ConnectionError),
        ({"attempt": 2}, "released", 3600.0, ConnectionError),
        ({"attempt": 3}, "failed", None, ConnectionError),
        ({"attempt": 4}, "failed", None, TooManyAttempts),
        ({"attempt": 3, "tries": 9, "backoff": 5}, "released", 5.0, ConnectionError),
        ({"crashes": 3}, "failed", None, TooManyCrashes),
    ],
)
async def test_attempt_and_counters_decide_as_in_production(
    settings: dict[str, Any], state: str, delay: float | None, error: type
) -> None:
    outcome = await run(Mail(to="ada", body="broken"), **settings)
    assert (outcome.state, outcome.delay) == (state, delay)
    assert isinstance(outcome.error, error)


async def test_earlier_exceptions_count() -> None:
    class Fragile(Job, tries=9, max_exceptions=2):
        async def handle(self) -> None:
            raise ValueError

    assert (await run(Fragile(), attempt=4)).released
    assert isinstance((await run(Fragile(), attempt=4, exceptions=1)).error, TooManyExceptions)


async def test_a_function_a_thread_job_and_their_results_are_run_too() -> None:
    assert (await run(greet.bind("ada", body="hi"), attempt=2)).result == "hi ada 2"
    assert (await run(count.bind(2))).result == 3
    assert (await run(Pack(number=3))).result == "packed 3"


async def test_one_run_keeps_what_the_job_dispatches() -> None:
    outcome = await run(Order(number=3))
    assert outcome.dispatched == (Mail(to="ada", body="order 3"), Pack(number=3))
    async with asyncq.fake() as queue:
        await Pack(number=0).dispatch()
        assert len((await run(Order(number=3))).dispatched) == 2
        queue.assert_count(3)


async def test_one_run_sees_the_settings_of_its_dispatch_and_its_app() -> None:
    class Look(Job):
        async def handle(self, ctx: JobContext) -> tuple[str, str, int, datetime | None]:
            return ctx.queue, ctx.connection, ctx.crashes, ctx.deadline

    trace: list[str] = []
    app = AsyncQ(connections={"a": "memory://", "b": "redis://127.0.0.1:1/0"}, default="b", middleware=[traced(trace)])
    result = (await run(Look(), app=app, queue="q", timeout=100, crashes=1)).result
    assert result[:3] == ("q", "b", 1)
    assert result[3] is not None
    assert trace == ["Look 1"]
    assert (await run(Look(), app=app, connection="a", timeout=0)).result == ("default", "a", 0, None)


async def test_one_run_fails_for_what_cannot_travel_or_cannot_be() -> None:
    with pytest.raises(EncodeError):
        await run(Mail(to=3))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="attempt is 1 or more"):
        await run(Mail(to="x"), attempt=0)
    with pytest.raises(TypeError, match="takes a job"):
        await run("Mail")  # type: ignore[call-overload]


async def test_the_hook_of_the_final_failure_is_called_once_it_is_final() -> None:
    await run(Hooked(until=5), attempt=1)
    assert told == []
    async with asyncq.testing.clock() as clock:
        outcome = await run(Hooked(until=5).__class__(until=6))
        assert outcome.released
        clock.advance(hours=1)
    await run(Ledger(deed="raise"), attempt=2)

    class Last(Hooked, retry_for=0.0): ...

    assert (await run(Last(until=7))).failed
    assert told == ["TimeoutError 7"]


async def test_a_timeout_ends_a_run_in_real_time() -> None:
    outcome = await run(Slow(), timeout=0.02)
    assert (outcome.failed, type(outcome.error)) == (True, JobTimeout)


async def test_a_timeout_ends_a_run_when_the_clock_is_turned() -> None:
    async with asyncq.testing.clock() as clock, anyio.create_task_group() as group:

        async def turn() -> None:
            while not told:
                await anyio.lowlevel.checkpoint()
            clock.advance(21)

        group.start_soon(turn)
        with anyio.fail_after(5):
            outcome = await run(Slow())
        assert isinstance(outcome.error, JobTimeout)


async def test_a_handler_deaf_to_its_timeout_does_not_hold_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncq.testing.bench.CANCEL_GRACE", 0.05)
    with anyio.fail_after(5):
        outcome = await run(Deaf())
    assert isinstance(outcome.error, JobTimeout)
    told.append("enough")
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        if "Deaf" in repr(task.get_coro()) or "_execute" in repr(task.get_coro()):
            task.cancel()
            await asyncio.wait([task], timeout=5)


async def test_a_run_is_cancelled_with_the_test_that_awaits_it() -> None:
    with anyio.move_on_after(0.05) as scope:
        await run(Slow(), timeout=0)
    assert scope.cancelled_caught


# --- drain() ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["memory://", "sqlite:///{path}"])
async def test_drain_runs_the_jobs_of_a_real_app(url: str, tmp_path: Any) -> None:
    async with asyncq.testing.clock(), AsyncQ(url.format(path=tmp_path / "queue.db")) as app:
        await Order(number=1).dispatch()
        await Mail(to="ada", body="broken").dispatch()
        assert states(await drain(app, within=5)) == [
            ("Order", 1, "done"),
            ("Mail", 1, "released"),
            ("Mail", 1, "done"),
        ]
        assert states(await drain(app, "mail", within=10)) == [("Mail", 2, "released")]
        assert states(await drain(app, within=timedelta(days=1))) == [("Pack", 1, "done"), ("Mail", 3, "failed")]
        assert await drain(app) == []


async def test_drain_turns_no_clock_where_there_is_none() -> None:
    async with AsyncQ("memory://") as app:
        await Pack(number=1).dispatch()
        assert states(await drain(app)) == [("Pack", 1, "done")]
        with pytest.raises(ConfigError, match=r"testing\.clock"):
            await drain(app, within=5)


# --- what handlers are given -----------------------------------------------------------------------------------------


async def get_mailer() -> AsyncIterator[str]:
    told.append("mailer opened")
    yield "the real mailer"
    told.append("mailer closed")


class Delivery(Job, keep_result=60):
    async def handle(self, mailer: Annotated[str, Depends(get_mailer, scope="app")]) -> str:
        return mailer


async def test_dependencies_are_given_overridden_and_cleaned_up() -> None:
    app = AsyncQ("redis://127.0.0.1:1/0")
    assert (await run(Delivery(), app=app)).result == "the real mailer"
    assert told == ["mailer opened", "mailer closed"]
    async with asyncq.fake() as queue:
        for _ in range(2):
            await Delivery().dispatch()
        assert [outcome.result for outcome in await queue.run()] == ["the real mailer"] * 2
    assert told == ["mailer opened", "mailer closed"] * 2
    with app.override(get_mailer, lambda: "no mailer"):
        assert (await run(Delivery(), app=app)).result == "no mailer"
        async with asyncq.fake() as queue:
            await Delivery().dispatch()
            assert [outcome.result for outcome in await queue.run()] == ["no mailer"]


async def test_a_handle_knows_what_became_of_its_job_in_a_fake() -> None:
    async with asyncq.fake() as queue:
        handle, other = await Delivery().dispatch(), await Delivery().dispatch(delay=5)
        assert await handle.status() == "queued"
        assert await other.cancel()
        await queue.run(within=10)
        assert await handle.status() == "done"
        assert await handle.result(timeout=1) == "the real mailer"
        assert await other.status() == "cancelled"


async def test_the_lifespan_of_an_app_is_entered_in_a_fake_though_its_drivers_are_not() -> None:
    async def lifespan(app: AsyncQ) -> AsyncIterator[None]:
        told.append("up")
        await Mail(to="from the lifespan").dispatch()
        yield
        told.append("down")

    app = AsyncQ("redis://127.0.0.1:1/0", lifespan=lifespan)
    async with asyncq.fake() as queue:
        async with app:
            assert told == ["up"]
        queue.assert_dispatched(Mail, lambda mail: mail.to == "from the lifespan")
    assert told == ["up", "down"]
