"""What listeners hear, when, and with which facts."""

from __future__ import annotations

import asyncio
import linecache
import time
from collections.abc import Callable
from dataclasses import fields
from itertools import pairwise
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asyncq import AsyncQ, Job, JobContext
from asyncq.events import (
    Event,
    JobAttempted,
    JobExceptionOccurred,
    JobFailed,
    JobInterrupted,
    JobPopped,
    JobPopping,
    JobProcessed,
    JobProcessing,
    JobQueued,
    JobQueueing,
    JobReleased,
    JobReleasedAfterException,
    JobTimedOut,
    LoopBlocked,
    Looping,
    UniqueJobSkipped,
    WorkerIdle,
    WorkerStarting,
    WorkerStopping,
)
from asyncq.listeners import Listeners
from asyncq.worker.announcer import Announcer
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs, size_of

OF_A_JOB = (
    JobQueueing,
    JobQueued,
    UniqueJobSkipped,
    JobPopped,
    JobProcessing,
    JobTimedOut,
    JobExceptionOccurred,
    JobReleased,
    JobReleasedAfterException,
    JobFailed,
    JobInterrupted,
    JobProcessed,
    JobAttempted,
)


class Boom(Exception):
    pass


class Say(Job, tries=2):
    """Ends as it is told in its first attempt; later ones succeed."""

    what: str = ""

    async def handle(self, ctx: JobContext) -> str:
        if ctx.attempt == 1:
            await self.act(ctx)
        return "said"

    async def act(self, ctx: JobContext) -> None:
        match self.what:
            case "raise":
                raise Boom("no")
            case "exit":
                raise SystemExit(3)
            case "release":
                ctx.release(0.01)
            case "skip":
                ctx.skip()
            case "fail":
                ctx.fail("enough")
            case "hang":
                await anyio.sleep_forever()
            case _:
                pass


START = ["JobQueueing", "JobQueued", "JobPopped", "JobProcessing"]
AGAIN = ["JobPopped", "JobProcessing", "JobProcessed", "JobAttempted"]
ORDERS: dict[str, list[str]] = {
    "nothing": [*START, "JobProcessed", "JobAttempted"],
    "skip": [*START, "JobProcessed", "JobAttempted"],
    "raise": [*START, "JobExceptionOccurred", "JobReleasedAfterException", "JobAttempted", *AGAIN],
    "exit": [*START, "JobExceptionOccurred", "JobReleasedAfterException", "JobAttempted", *AGAIN],
    "release": [*START, "JobReleased", "JobAttempted", *AGAIN],
    "fail": [*START, "JobExceptionOccurred", "JobFailed", "JobAttempted"],
    "hang": [*START, "JobTimedOut", "JobExceptionOccurred", "JobReleasedAfterException", "JobAttempted", *AGAIN],
}


@pytest.mark.parametrize("what", ORDERS)
async def test_each_way_of_ending_is_told_in_its_order(app: AsyncQ, what: str) -> None:
    heard = Heard(app, *OF_A_JOB)
    async with app:
        await Say(what=what).dispatch(timeout=0.1 if what == "hang" else 60)
        async with app.worker():  # only now: a worker may have the job before its dispatcher hears that it is pushed
            await empty(app)
            await eventually(lambda: len(heard.events) == len(ORDERS[what]))
    # What the next attempt says may come before the end of the last one is told: each attempt keeps its order.
    first = [name for event, name in zip(heard.events, heard.names, strict=True) if getattr(event, "attempt", 1) == 1]
    second = [name for event, name in zip(heard.events, heard.names, strict=True) if getattr(event, "attempt", 1) == 2]
    assert first + second == ORDERS[what]


async def test_the_facts_of_a_job_are_in_each_of_its_events(app: AsyncQ) -> None:
    heard = Heard(app, *OF_A_JOB)
    async with app, app.worker("mail"):
        handle = await Say(what="raise").dispatch(queue="mail")
        await empty(app, "mail")
        await heard.until(JobProcessed)
        await heard.until(JobAttempted, 2)
    for event in heard.events:
        facts = {item.name: getattr(event, item.name) for item in fields(event)}
        assert (facts["connection"], facts["queue"], facts["id"]) == ("default", "mail", handle.id)
        assert facts["name"] == f"{__name__}:Say"
        assert isinstance(facts.get("job", Say()), Say) or isinstance(event, JobPopped)
    assert [event.attempt for event in heard.of(JobProcessing)] == [1, 2]
    assert [event.job for event in heard.of(JobPopped)] == [None, None]
    [processed] = heard.of(JobProcessed)
    assert processed.result == "said"
    assert 0 < processed.seconds < 5
    assert [event.successful for event in heard.of(JobAttempted)] == [False, True]
    [error] = heard.of(JobExceptionOccurred)
    assert isinstance(error.error, Boom)


async def test_a_job_that_released_itself_counts_as_a_success_of_the_attempt(app: AsyncQ) -> None:
    heard = Heard(app, JobAttempted, JobReleased)
    async with app, app.worker():
        await Say(what="release").dispatch()
        await empty(app)
        await heard.until(JobAttempted, 2)
    assert [(event.error, event.successful) for event in heard.of(JobAttempted)] == [(None, True), (None, True)]
    assert [event.delay for event in heard.of(JobReleased)] == [0.01]


async def test_a_timeout_that_is_the_last_of_max_exceptions_is_told_as_one(app: AsyncQ) -> None:
    heard = Heard(app, JobTimedOut, JobExceptionOccurred, JobFailed)

    class Hangs(Job, tries=0, max_exceptions=1, timeout=0.05):
        async def handle(self) -> None:
            await anyio.sleep_forever()

    async with app, app.worker():
        await Hangs().dispatch()
        await empty(app)
        await heard.until(JobFailed)
    assert heard.names == ["JobTimedOut", "JobExceptionOccurred", "JobFailed"]
    assert [type(event.error).__name__ for event in heard.of(JobExceptionOccurred)] == ["JobTimeout"]
    assert [type(event.error).__name__ for event in heard.of(JobFailed)] == ["TooManyExceptions"]


async def test_a_job_that_the_stop_hands_back_is_told_as_interrupted(app: AsyncQ) -> None:
    heard = Heard(app, JobInterrupted, JobFailed, JobProcessed)
    started = anyio.Event()

    class Waits(Job):
        async def handle(self) -> None:
            started.set()
            await anyio.sleep_forever()

    async with app:
        async with app.worker(grace=0):
            await Waits().dispatch()
            await started.wait()
        assert (await size_of(app)).ready == 1
    assert heard.names == ["JobInterrupted"]
    assert heard.of(JobInterrupted)[0].reason == "shutdown"


async def test_a_dispatch_that_a_unique_job_holds_back_is_told_with_the_id_of_that_job(app: AsyncQ) -> None:
    class Once(Job, unique=True):
        async def handle(self) -> None: ...

    heard = Heard(app, JobQueued, UniqueJobSkipped)
    async with app:
        first = await Once().dispatch()
        second = await Once().dispatch()
    assert heard.names == ["JobQueued", "UniqueJobSkipped"]
    assert heard.of(UniqueJobSkipped)[0].id == first.id == second.id


async def test_the_delay_is_told_when_a_job_is_queued(app: AsyncQ) -> None:
    heard = Heard(app, JobQueueing, JobQueued)
    async with app:
        await Say().dispatch(delay=60)
    assert [event.delay for event in heard.of(JobQueueing)] == [60.0]
    assert [event.delay for event in heard.of(JobQueued)] == [60.0]


async def test_a_push_that_fails_is_not_told_as_queued(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard(app, JobQueueing, JobQueued)

    async def broken(envelopes: object) -> Any:
        raise ConnectionError("gone")

    async with app:
        monkeypatch.setattr((await app.engine()).driver("default"), "push", broken)
        with pytest.raises(ConnectionError):
            await Say().dispatch()
    assert heard.names == ["JobQueueing"]


# --- the worker itself ---


async def test_a_worker_tells_its_start_and_its_end(app: AsyncQ) -> None:
    heard = Heard(app, WorkerStarting, WorkerStopping)
    async with app, app.worker("mail", "default", name="W"):
        await heard.until(WorkerStarting)
        await app.dispatch_many([Say(), Say()])
        await empty(app)
    assert heard.names == ["WorkerStarting", "WorkerStopping"]
    [start], [end] = heard.of(WorkerStarting), heard.of(WorkerStopping)
    assert (start.connection, list(start.queues), start.worker) == ("default", ["mail", "default"], "W")
    assert (end.reason, end.jobs) == ("exit", 2)


async def test_each_look_is_told_before_the_jobs_that_it_finds(app: AsyncQ) -> None:
    heard = Heard(app, Looping, JobPopping, JobPopped)
    async with app:
        await Say().dispatch()
        async with app.worker("mail", "default", name="W"):
            await empty(app)
    assert heard.names[:3] == ["Looping", "JobPopping", "JobPopped"]
    assert heard.of(Looping)[0] == Looping("default", ("mail", "default"), "W")
    assert heard.of(JobPopping)[0] == JobPopping("default", ("mail", "default"))
    assert len(heard.of(Looping)) == len(heard.of(JobPopping))


async def test_a_worker_that_finds_nothing_is_idle_once_for_each_look(app: AsyncQ) -> None:
    heard = Heard(app, Looping, WorkerIdle)
    async with app, app.worker("default", name="W"):
        await heard.until(WorkerIdle)
        assert heard.names == ["Looping", "WorkerIdle"]
        await Say().dispatch()
        await heard.until(WorkerIdle, 2)
    assert heard.of(WorkerIdle)[0] == WorkerIdle("default", ("default",), "W")
    assert len(heard.of(WorkerIdle)) <= len(heard.of(Looping))


async def test_a_busy_worker_is_not_idle(app: AsyncQ) -> None:
    heard = Heard(app, WorkerIdle, JobProcessing)
    go_on = anyio.Event()

    class Waits(Job):
        async def handle(self) -> None:
            await go_on.wait()

    async with app:
        await Waits().dispatch()
        async with app.worker():
            await heard.until(JobProcessing)
            await Waits().dispatch()
            await heard.until(JobProcessing, 2)
            assert not heard.of(WorkerIdle)
            go_on.set()
            await heard.until(WorkerIdle)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_looping_may_veto_a_round_and_the_worker_looks_again_after_its_sleep(app: AsyncQ, kind: str) -> None:
    rounds: list[float] = []
    heard = Heard(app, JobPopping, JobPopped)

    def veto(event: Looping) -> bool:
        rounds.append(time.monotonic())
        return len(rounds) > 3

    async def veto_later(event: Looping) -> bool:
        await anyio.lowlevel.checkpoint()
        return veto(event)

    app.looping(veto if kind == "sync" else veto_later)
    async with app:
        await Say().dispatch()
        async with app.worker(sleep=0.05):
            await empty(app)
    assert heard.names[:2] == ["JobPopping", "JobPopped"]
    assert len(rounds) >= 4
    assert all(later - earlier >= 0.04 for earlier, later in pairwise(rounds[:4]))


async def test_a_veto_does_not_hold_up_what_is_running(app: AsyncQ) -> None:
    closed: list[bool] = []
    go_on = anyio.Event()

    @app.looping
    def veto(event: Looping) -> bool:
        return not closed

    class Waits(Job):
        async def handle(self) -> None:
            await go_on.wait()

    heard = Heard(app, JobProcessing)
    async with app, app.worker(sleep=0.02):
        await Waits().dispatch()
        await heard.until(JobProcessing)
        closed.append(True)
        waiting = await Waits().dispatch()
        go_on.set()
        await eventually(lambda: len(heard.events) == 1)
        while (await size_of(app)).reserved:  # noqa: ASYNC110 - a queue has no event
            await anyio.sleep(0.002)
        assert (await size_of(app)).ready == 1
        closed.clear()
        await empty(app)
    assert heard.of(JobProcessing)[1].id == waiting.id


async def test_a_job_that_holds_the_loop_is_told_with_its_place(app: AsyncQ) -> None:
    heard = Heard(app, LoopBlocked)

    class Blocks(Job):
        async def handle(self) -> None:
            await anyio.sleep(0.1)
            time.sleep(0.4)  # noqa: ASYNC251 - the mistake that shall be named

    async with app, app.worker():
        handle = await Blocks().dispatch()
        await empty(app)
        await heard.until(LoopBlocked)
    event = heard.of(LoopBlocked)[0]
    assert (event.id, event.file) == (handle.id, __file__)
    assert event.seconds >= 0.1
    assert "time.sleep(0.4)" in linecache.getline(__file__, event.line)


# --- listeners ---


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "error", [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError], ids=lambda error: error.__name__
)
async def test_a_listener_that_raises_changes_no_jobs_fate(
    app: AsyncQ, error: type[BaseException], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> None:
        raise error("listener")

    async def broken_later(event: Event) -> None:
        await anyio.lowlevel.checkpoint()
        raise error("listener")

    app.on(Event)(broken if kind == "sync" else broken_later)
    heard = Heard(app, JobAttempted)
    async with app, app.worker():
        await app.dispatch_many([Say(), Say(what="fail"), Say(what="raise")])
        await empty(app)
        assert len(await failed_jobs(app)) == 1
        await heard.until(JobAttempted, 4)
    assert "a listener of JobProcessing failed" in caplog.text


def noting(calls: list[str], what: str) -> Callable[[Event], None]:
    def listener(event: Event) -> None:
        calls.append(what)

    return listener


async def test_listeners_are_called_in_their_order_and_those_of_all_events_last(app: AsyncQ) -> None:
    calls: list[str] = []
    app.on(Event)(noting(calls, "all"))
    app.on(JobQueued)(noting(calls, "first"))

    @app.on(JobQueued)
    async def second(event: JobQueued) -> None:
        await anyio.lowlevel.checkpoint()
        calls.append("second")

    async with app:
        await Say().dispatch()
    assert calls == ["all", "first", "second", "all"]


async def test_the_shortcuts_hear_what_they_say(app: AsyncQ) -> None:
    calls: list[str] = []
    app.before(noting(calls, "before"))
    app.after(noting(calls, "after"))
    app.failing(noting(calls, "failing"))
    async with app, app.worker():
        await Say().dispatch()
        await eventually(lambda: len(calls) == 2)
        await Say(what="fail").dispatch()
        await eventually(lambda: len(calls) == 4)
    assert calls == ["before", "after", "before", "failing"]


async def test_nobody_makes_an_event_that_nobody_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    async def spy(self: Listeners, event: Event) -> bool:
        made.append(type(event).__name__)
        return True

    monkeypatch.setattr(Listeners, "emit", spy)
    silent, listening = Listeners(), Listeners()
    listening.add(JobQueued, print)
    for listeners in (silent, listening):
        announcer = Announcer(listeners, "default", ["default"], "W")
        assert await announcer.looks(["default"])
        await announcer.reserved([])
        announcer.soon(WorkerIdle)
        await announcer.flush()
    assert not made
