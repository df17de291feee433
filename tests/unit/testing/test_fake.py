"""`asyncq.fake()`: what it keeps, what it asserts, whom it stands in for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.from_thread
import anyio.to_thread
import pytest

import asyncq
from asyncq import AnyJob, AsyncQ, ConfigError, Job, dispatch_many
from asyncq.asgi import QueueMiddleware
from asyncq.current import apps
from asyncq.errors import EncodeError, NotOpen
from asyncq.events import JobQueued
from asyncq.testing import QueueFake
from asyncq.testing.conformance.backend import eventually
from tests.unit.testing.shop import Bill, Mail, Order, Pack, count, greet


def to_ada(to: str, *, body: str) -> bool:
    return to == "ada" and bool(body)


UNREACHABLE = "redis://127.0.0.1:1/0"


async def test_a_fake_keeps_what_is_dispatched_and_runs_nothing() -> None:
    async with asyncq.fake() as queue:
        handle = await Mail(to="ada").dispatch(queue="high", delay=timedelta(minutes=5))
        await greet.dispatch("bob", body="hi")
        await dispatch_many([Pack(number=1), count.bind(2)])
    assert (handle.created, handle.queue, handle.connection) == (True, "high", "default")
    assert [type(job).__name__ for job in queue.dispatched] == ["Mail", "greet", "Pack", "count"]
    assert queue.of(Mail) == [Mail(to="ada")]
    assert queue.of(count)[0] == count.bind(2).job


async def test_what_was_said_at_dispatch_is_kept_with_the_job() -> None:
    at = datetime.now(UTC) + timedelta(hours=2)
    async with asyncq.fake() as queue:
        await Mail(to="a").dispatch(delay=90, tries=7, timeout=timedelta(seconds=3), tags=["x"], group="g", id="m1")
        await Mail(to="b").dispatch(delay=at)
        await Bill(number=4).dispatch()
    first, second = queue.records_of(Mail)
    assert (first.id, first.delay, first.due_at, first.tries, first.timeout) == ("m1", 90.0, None, 7, 3.0)
    assert (first.tags, first.group, first.backoff, first.queue) == (("x",), "g", (10.0, 3600.0), "mail")
    assert second.due_at == at
    assert second.delay == pytest.approx(7200, abs=60)
    assert queue.records_of(Bill)[0].unique_key == "tests.unit.testing.shop:Bill:4"


async def test_the_kept_job_has_made_the_round_trip() -> None:
    mail = Mail(to="ada")
    async with asyncq.fake() as queue:
        await mail.dispatch()
    kept = queue.of(Mail)[0]
    assert kept == mail
    assert kept is not mail


async def test_what_cannot_travel_is_refused_and_not_kept() -> None:
    class Holder(Job):
        what: Any

        async def handle(self) -> None: ...

    async with asyncq.fake() as queue:
        with pytest.raises(EncodeError, match="what"):
            await Holder(what=object()).dispatch()
        with pytest.raises(EncodeError, match="what"):
            await Holder(what={1, 2}).dispatch_sync()
        with pytest.raises(ConfigError, match="reports"):
            await Mail(to="x").dispatch(connection="reports")
        queue.assert_nothing_dispatched()


async def test_assertions_return_the_jobs_they_mean() -> None:
    async with asyncq.fake() as queue:
        await Mail(to="ada").dispatch()
        await Mail(to="bob").dispatch(queue="high", delay=60)
        await greet.dispatch("ada", body="hi")
        assert [mail.to for mail in queue.assert_dispatched(Mail)] == ["ada", "bob"]
        assert [mail.to for mail in queue.assert_dispatched(Mail, lambda mail: mail.to == "bob", times=1)] == ["bob"]
        assert [mail.to for mail in queue.assert_dispatched(Mail, queue="high", connection="default")] == ["bob"]
        assert [mail.to for mail in queue.assert_dispatched(Mail, delay=timedelta(minutes=1))] == ["bob"]
        queue.assert_dispatched(greet, to_ada)
        queue.assert_dispatched_fn(greet, "ada", body="hi")
        queue.assert_dispatched_fn(greet, to="ada", body="hi")
        queue.assert_not_dispatched(Pack)
        queue.assert_not_dispatched(Mail, lambda mail: mail.to == "eve")
        queue.assert_not_dispatched(Mail, queue="low")
        queue.assert_count(3)
        queue.assert_count(2, Mail)
        queue.assert_count(0, Pack)


Claim = Callable[[QueueFake], object]


def claims() -> list[tuple[Claim, str]]:
    return [
        (lambda queue: queue.assert_dispatched(Pack), r"Pack was not dispatched; these jobs .*\n  1. Mail\(to='ada'"),
        (lambda queue: queue.assert_dispatched(Mail, lambda mail: False), "passing `where`.* but Mail was:"),
        (lambda queue: queue.assert_dispatched(Mail, queue="low"), r"queue='low'.* not dispatched, but[\s\S]*'mail'"),
        (lambda queue: queue.assert_dispatched(Mail, delay=3), r"delay=3[\s\S]*delayed by 60 s"),
        (lambda queue: queue.assert_dispatched(Mail, times=3), "Mail was dispatched twice, not 3 times"),
        (lambda queue: queue.assert_dispatched(Pack, times=1), "Pack was not dispatched;"),
        (lambda queue: queue.assert_dispatched_fn(greet, "eve"), r"greet\(to='eve'.* not dispatched;[\s\S]*to='bob'"),
        (lambda queue: queue.assert_dispatched_fn(count, 1), r"count\(number=1\) was not dispatched;[\s\S]*Mail"),
        (lambda queue: queue.assert_not_dispatched(Mail), r"Mail was dispatched twice; these jobs"),
        (lambda queue: queue.assert_nothing_dispatched(), "no job was to be dispatched, but"),
        (lambda queue: queue.assert_count(2), "3 jobs were dispatched, not 2;"),
        (lambda queue: queue.assert_count(1, Mail), "Mail was dispatched twice, not once"),
        (lambda queue: queue.assert_dispatched_sync(Mail), "Mail was not dispatched to run here and now, but|;"),
        (lambda queue: queue.assert_not_dispatched_sync(Pack), r"Pack was dispatched to run here and now once"),
    ]


@pytest.mark.parametrize(("claim", "words"), claims())
async def test_a_claim_that_does_not_hold_says_what_was_dispatched(claim: Claim, words: str) -> None:
    async with asyncq.fake() as queue:
        await Mail(to="ada").dispatch()
        await Mail(to="bob").dispatch(delay=60)
        await greet.dispatch("bob")
        await Pack(number=1).dispatch_sync()
        with pytest.raises(AssertionError, match=words):
            claim(queue)


async def test_a_claim_in_an_empty_fake_says_that_there_was_nothing() -> None:
    async with asyncq.fake() as queue:
        with pytest.raises(AssertionError, match="nothing was dispatched at all"):
            queue.assert_dispatched(Mail)


@pytest.mark.parametrize("named", [Mail(to="x"), greet.bind("x"), "Mail", int, lambda: None])
async def test_only_classes_and_functions_can_be_named(named: Any) -> None:
    async with asyncq.fake() as queue:
        with pytest.raises(TypeError, match="name "):
            queue.assert_dispatched(named)
    with pytest.raises(TypeError, match="name "):
        asyncq.fake(named)


async def test_a_secret_is_not_shown_by_a_failed_claim() -> None:
    class Login(Job):
        user: str
        password: str = asyncq.field(default="", redact=True)

        async def handle(self) -> None: ...

    async with asyncq.fake() as queue:
        await Login(user="ada", password="hunter2").dispatch()  # noqa: S106
        with pytest.raises(AssertionError) as failed:
            queue.assert_dispatched(Mail)
    assert "ada" in str(failed.value)
    assert "hunter2" not in str(failed.value)


async def test_a_unique_job_is_dispatched_once_and_its_key_ends_with_the_block() -> None:
    for _ in range(2):
        async with asyncq.fake() as queue:
            first = await Bill(number=1).dispatch()
            second = await Bill(number=1, note="again").dispatch()
            third = await Bill(number=2).dispatch()
            assert (first.created, second.created, third.created) == (True, False, True)
            assert second.id == first.id
            queue.assert_count(2, Bill)
            queue.clock.advance(hours=1, seconds=1)
            assert (await Bill(number=1).dispatch()).created
            await queue.run()
            assert (await Bill(number=1).dispatch()).created


async def test_what_is_dispatched_sync_is_kept_and_not_run() -> None:
    async with asyncq.fake() as queue:
        assert await Order(number=1).dispatch_sync() is None
        queue.answer(Mail, "to nobody")
        queue.answer(greet, "nothing")
        assert await Mail(to="ada").dispatch_sync() == "to nobody"
        assert await greet.bind("ada").dispatch_sync() == "nothing"
        assert queue.dispatched == []
        assert len(queue.dispatched_sync) == 3
        assert queue.assert_dispatched_sync(Mail, lambda mail: mail.to == "ada", times=1) == [Mail(to="ada")]
        queue.assert_dispatched_sync(greet, to_ada)
        queue.assert_not_dispatched_sync(Pack)
        queue.assert_not_dispatched(Mail)
        with pytest.raises(AssertionError, match="here and now"):
            queue.assert_nothing_dispatched()


async def test_a_fake_stands_in_for_apps_that_were_built_or_open_before() -> None:
    before = AsyncQ(UNREACHABLE)
    async with AsyncQ("memory://") as opened, asyncq.fake() as queue:
        async with before:
            await Mail(to="a").dispatch()
        await Mail(to="b").dispatch()
        await before.dispatch_many([Mail(to="c")])
        async with AsyncQ(UNREACHABLE) as inside:
            await Mail(to="d").dispatch()
            assert await inside.lock("key").acquire()
        assert [mail.to for mail in queue.of(Mail)] == ["a", "b", "c", "d"]
    sizes = await (await opened.engine()).driver("default").sizes(["mail"])
    assert sizes["mail"].total == 0


async def test_an_app_left_after_the_fake_that_it_was_entered_in_is_left_in_peace() -> None:
    app = AsyncQ(UNREACHABLE)
    with asyncq.fake():
        await app.__aenter__()
    await app.__aexit__(None, None, None)
    assert apps.open == []


async def test_a_fake_knows_the_connections_and_queues_of_the_app() -> None:
    reports = asyncq.Connection("redis://127.0.0.1:1/0", queue="pdf")
    app = AsyncQ(connections={"main": UNREACHABLE, "reports": reports}, default="main")
    async with asyncq.fake() as queue:
        handle = await Pack(number=1).dispatch(connection="reports")
        assert (handle.queue, handle.connection) == ("pdf", "reports")
        with pytest.raises(ConfigError, match="'main', 'reports'"):
            await Pack(number=1).dispatch(connection="other")
        queue.assert_dispatched(Pack, connection="reports", times=1)
    assert app.default == "main"


async def test_several_apps_and_none_current_is_no_problem_for_a_fake() -> None:
    built = [AsyncQ("memory://", name=str(number)) for number in range(3)]
    async with asyncq.fake() as queue:
        await Mail(to="ada").dispatch()
        queue.assert_count(1)
    assert len(built) == 3
    with pytest.raises(ConfigError, match="several AsyncQ apps"):
        await Mail(to="ada").dispatch()


async def test_after_the_block_jobs_go_to_their_app_again() -> None:
    async with AsyncQ("memory://") as app:
        async with asyncq.fake() as queue:
            await Mail(to="a").dispatch()
        await Mail(to="b").dispatch()
        assert [mail.to for mail in queue.of(Mail)] == ["a"]
        assert (await (await app.engine()).driver("default").sizes(["mail"]))["mail"].ready == 1


async def test_the_default_app_that_only_a_fake_needed_is_forgotten() -> None:
    async with asyncq.fake():
        await Mail(to="a").dispatch()
    assert apps.default is None


async def test_fakes_nest_and_an_error_in_the_block_ends_them_too() -> None:
    inner = asyncq.fake()
    async with asyncq.fake() as outer:
        with pytest.raises(RuntimeError):
            async with inner:
                await Mail(to="inner").dispatch()
                raise RuntimeError
        await Mail(to="outer").dispatch()
    assert ([mail.to for mail in inner.of(Mail)], [mail.to for mail in outer.of(Mail)]) == (["inner"], ["outer"])
    assert apps.stand_ins == []


async def test_a_job_for_after_the_response_is_kept_and_not_run_and_needs_no_response() -> None:
    async with asyncq.fake() as queue:
        await Mail(to="ada").dispatch_after_response()
        await greet.dispatch_after_response("bob")
        await asyncio.to_thread(asyncq.blocking.dispatch_after_response, Pack(number=1))

        [mail] = queue.assert_dispatched_after_response(Mail, lambda mail: mail.to == "ada", times=1)
        assert queue.dispatched_after_response == [mail, *queue.assert_dispatched_after_response(greet), Pack(number=1)]
        assert [record.way for record in queue.records] == ["after_response"] * 3
        queue.assert_not_dispatched_after_response(Mail, lambda mail: mail.to == "bob")
        queue.assert_not_dispatched(Mail)
        queue.assert_not_dispatched_sync(Mail)
        queue.assert_count(0)
        assert (queue.dispatched, queue.dispatched_sync, await queue.run()) == ([], [], [])
        with pytest.raises(EncodeError):
            await Mail(to=3).dispatch_after_response()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test


async def test_what_is_said_of_jobs_for_after_the_response_names_them_so() -> None:
    async with asyncq.fake() as queue:
        await Mail(to="ada").dispatch_after_response()
        with pytest.raises(AssertionError, match=r"Mail was not dispatched; .*\n  1\. Mail.* after the response"):
            queue.assert_dispatched(Mail)
        with pytest.raises(AssertionError, match=r"Mail was dispatched to run after the response once; "):
            queue.assert_not_dispatched_after_response(Mail)
        with pytest.raises(AssertionError, match=r"Pack was not dispatched to run after the response; "):
            queue.assert_dispatched_after_response(Pack)
        with pytest.raises(AssertionError, match="no job was to be dispatched"):
            queue.assert_nothing_dispatched()


async def test_a_partial_fake_lets_a_job_for_after_the_response_through() -> None:
    ran = asyncio.Event()

    @asyncq.job
    async def tell() -> None:
        ran.set()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await tell.dispatch_after_response()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def sink(message: Any) -> None: ...

    async with AsyncQ("memory://"), asyncq.fake(except_=[tell]) as queue:
        with pytest.raises(NotOpen, match="no response is under way"):
            await tell.dispatch_after_response()
        await QueueMiddleware(answer)({"type": "http"}, sink, sink)
        await asyncio.wait_for(ran.wait(), 10)
        assert queue.records == ()
    async with asyncq.fake() as outer, asyncq.fake(except_=[tell]):
        await tell.dispatch_after_response()
    assert [type(job) for job in outer.dispatched_after_response] == [tell.job_type]


async def test_a_partial_fake_lets_the_others_through_in_their_order() -> None:
    async with AsyncQ("memory://") as app, asyncq.fake(Mail, greet) as queue:
        jobs: list[AnyJob] = [Pack(number=1), Mail(to="a"), count.bind(1), greet.bind("b"), Pack(number=2)]
        handles = await dispatch_many(jobs)
        assert [type(job).__name__ for job in queue.dispatched] == ["Mail", "greet"]
        waiting = await (await app.engine()).driver("default").find([handle.id for handle in handles])  # type: ignore[attr-defined]
        assert [handle.id in waiting for handle in handles] == [True, False, True, False, True]
        assert await Pack(number=3).dispatch_sync() == "packed 3"
        assert await Mail(to="x").dispatch_sync() is None
        assert await app.lock("key").acquire()


async def test_a_fake_with_exceptions_keeps_all_but_these() -> None:
    async with AsyncQ("sync://"), asyncq.fake(except_=[Pack]) as queue:
        assert await Pack(number=1).dispatch_sync() == "packed 1"
        await Pack(number=2).dispatch()
        await Mail(to="a").dispatch()
        assert [type(job).__name__ for job in queue.dispatched] == ["Mail"]


async def test_what_a_partial_fake_lets_through_reaches_the_fake_around_it() -> None:
    async with asyncq.fake() as outer, asyncq.fake(Mail) as inner:
        await dispatch_many([Mail(to="a"), Pack(number=1)])
        await Pack(number=2).dispatch_sync()
        assert await AsyncQ(UNREACHABLE).lock("key").acquire()
    assert ([type(job) for job in inner.dispatched], [type(job) for job in outer.dispatched]) == ([Mail], [Pack])
    assert outer.dispatched_sync == [Pack(number=2)]


async def test_a_worker_of_an_app_has_nothing_to_do_under_a_fake_but_works_under_a_partial_one() -> None:
    app = AsyncQ("memory://")
    async with asyncq.fake() as queue, app, app.worker():
        await Pack(number=1).dispatch()
        assert [outcome.result for outcome in await queue.run()] == ["packed 1"]
    done: list[str] = []

    @app.after
    def note(event: Any) -> None:
        done.append(event.name)

    async with asyncq.fake(Mail) as queue, app, app.worker():
        await Order(number=1).dispatch()
        await eventually(lambda: bool(done))
        queue.assert_dispatched(Mail, times=1)


def test_a_fake_works_from_threads_and_other_loops() -> None:
    with asyncq.fake() as queue:

        async def endpoint() -> None:
            await Mail(to="loop").dispatch()
            await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(Mail(to="thread").dispatch))

        asyncio.run(endpoint())
        thread = threading.Thread(target=lambda: asyncio.run(Mail(to="other").dispatch()))
        thread.start()
        thread.join()
        assert [mail.to for mail in queue.of(Mail)] == ["loop", "thread", "other"]
        outcomes = asyncio.run(queue.run())
        assert [outcome.result for outcome in outcomes] == ["to loop", "to thread", "to other"]


async def test_listeners_of_the_app_hear_what_a_fake_keeps() -> None:
    app = AsyncQ(UNREACHABLE)
    heard: list[str] = []

    @app.on(JobQueued)
    def note(event: JobQueued) -> None:
        heard.append(event.queue)

    async with asyncq.fake():
        await Mail(to="ada").dispatch()
    assert heard == ["mail"]


def test_a_fake_shows_how_much_it_keeps() -> None:
    assert repr(asyncq.fake()) == "<fake queue, 0 jobs dispatched>"
    assert isinstance(asyncq.fake(), QueueFake)
