"""From a job to its queue: options, conditions, many at once, and pushes that fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncq import AsyncQ, DispatchOptions, Job, JobContext, JobHandle, dispatch_many, field, job
from asyncq.errors import ConfigError, DriverError, EncodeError
from asyncq.payload import Envelope, Pushed
from tests.behaviour.looking import empty, eventually, failed_jobs, size_of

ran: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


class Note(Job):
    what: Any = None

    async def handle(self) -> None:
        ran.append(self.what)


@job
async def note(what: str, *, twice: bool = False) -> None:
    ran.extend([what] * (2 if twice else 1))


@job(queue="mail")
def note_in_thread(what: str) -> str:
    ran.append(what)
    return what


class Spy:
    """Counts the calls to a driver's push, and may refuse or delay them."""

    def __init__(self, push: Any) -> None:
        self._push = push
        self.calls: list[list[str]] = []
        self.refuse: set[str] = set()
        self.gate: anyio.Event | None = None

    async def __call__(self, envelopes: Sequence[Envelope]) -> Sequence[Pushed]:
        self.calls.append([envelope.id for envelope in envelopes])
        if self.gate is not None:
            await self.gate.wait()
        if refused := self.refuse & {envelope.id for envelope in envelopes}:
            raise DriverError(f"refused: {', '.join(refused)}")
        answer: Sequence[Pushed] = await self._push(envelopes)
        return answer


async def spied(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> Spy:
    driver = (await app.engine()).driver(app.default)
    spy = Spy(driver.push)
    monkeypatch.setattr(driver, "push", spy)
    return spy


# --- one job ---


async def test_a_handle_says_what_was_dispatched_and_where(app: AsyncQ) -> None:
    async with app:
        handle = await Note(what=1).dispatch(queue="mail")
    assert (handle.created, handle.queue, handle.connection) == (True, "mail", "default")
    assert len(handle.id) == 36


async def test_ids_of_one_process_ascend(app: AsyncQ) -> None:
    async with app:
        ids = [(await Note().dispatch()).id for _ in range(50)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 50


async def test_a_function_takes_its_arguments_as_if_it_were_called(app: AsyncQ) -> None:
    async with app, app.worker("default", "mail"):
        await note.dispatch("a", twice=True)
        await note.bind(what="b").dispatch()
        await note_in_thread.dispatch("c")
        await empty(app, "default", "mail")
    assert sorted(ran) == ["a", "a", "b", "c"]


async def test_a_function_can_still_be_called(app: AsyncQ) -> None:
    await note("here")
    assert note_in_thread("there") == "there"
    assert ran == ["here", "there"]


@pytest.mark.parametrize("condition", [True, False])
async def test_a_condition_decides_whether_a_job_is_dispatched(app: AsyncQ, condition: bool) -> None:
    async with app:
        handles = [
            await Note().dispatch_if(condition),
            await Note().dispatch_unless(not condition, delay=0),
            await note.bind("x").dispatch_if(condition),
            await note.bind("x").dispatch_unless(not condition),
        ]
        assert (await size_of(app)).ready == (4 if condition else 0)
    assert all(isinstance(handle, JobHandle) for handle in handles) == condition
    assert (handles == [None] * 4) is not condition


DELAYS: dict[str, Any] = {
    "seconds": lambda: 0.2,
    "a timedelta": lambda: timedelta(milliseconds=200),
    "an instant": lambda: datetime.now(UTC) + timedelta(milliseconds=200),
}


@pytest.mark.parametrize("kind", DELAYS)
async def test_a_delayed_job_does_not_run_before_it_is_due(app: AsyncQ, kind: str) -> None:
    at: list[float] = []

    class Waits(Job):
        async def handle(self) -> None:
            at.append(time.monotonic())

    async with app, app.worker():
        before = time.monotonic()
        await Waits().dispatch(delay=DELAYS[kind]())
        assert (await size_of(app)).delayed == 1
        await empty(app)
    assert 0.15 < at[0] - before < 15


async def test_delay_0_beats_the_delay_of_the_class(app: AsyncQ) -> None:
    class Later(Job, delay=3600):
        async def handle(self) -> None:
            ran.append(1)

    async with app, app.worker():
        await Later().dispatch()
        await Later().dispatch(delay=0)
        await eventually(lambda: ran == [1])
        assert (await size_of(app)).delayed == 1


async def test_a_negative_delay_is_now(app: AsyncQ) -> None:
    async with app:
        await Note().dispatch(delay=-3)
        assert (await size_of(app)).ready == 1


async def test_an_instant_that_is_past_is_now(app: AsyncQ) -> None:
    async with app:
        await Note().dispatch(delay=datetime.now(UTC) - timedelta(days=1))
        assert (await size_of(app)).ready == 1


OPTIONS: dict[str, tuple[DispatchOptions, type[Exception], str]] = {
    "an instant without a zone": ({"delay": datetime(2030, 1, 1)}, ConfigError, "no time zone"),  # noqa: DTZ001 - the mistake under test
    "a delay that is a text": ({"delay": "soon"}, TypeError, "delay takes seconds"),  # type: ignore[typeddict-item]  # the mistake under test
    "an endless delay": ({"delay": float("inf")}, ValueError, "finite"),
    "tries below 0": ({"tries": -1}, ValueError, r"tries takes 0 \(no limit\) or more"),
    "tries that are no number": ({"tries": True}, TypeError, "tries takes a whole number"),
    "a timeout below 0": ({"timeout": -1}, ValueError, "timeout takes 0 seconds or more"),
    "no backoff at all": ({"backoff": []}, ValueError, "backoff"),
    "an id with a blank": ({"id": "a b"}, ConfigError, "an id is a text"),
    "an empty id": ({"id": ""}, ConfigError, "an id is a text"),
    "an unknown connection": ({"connection": "nowhere"}, ConfigError, "no connection is called 'nowhere'"),
    "tags that are one text": ({"tags": "red"}, TypeError, "tags takes a list of texts"),
    "a misspelt option": ({"quue": "x"}, TypeError, "did you mean 'queue'"),  # type: ignore[typeddict-unknown-key]  # the mistake under test
    "an empty queue": ({"queue": ""}, TypeError, "queue takes a text"),
    "a queue that is no text": ({"queue": 3}, TypeError, "queue takes a text"),  # type: ignore[typeddict-item]  # the mistake under test
    "a group that is no text": ({"group": 3}, TypeError, "group takes a text"),  # type: ignore[typeddict-item]  # the mistake under test
    "a life that is no number": ({"unique_for": "x"}, TypeError, "unique_for takes seconds"),  # type: ignore[typeddict-item]  # the mistake under test
}


@pytest.mark.parametrize("mistake", OPTIONS)
async def test_an_option_that_cannot_be_is_refused_before_anything_is_sent(app: AsyncQ, mistake: str) -> None:
    options, error, text = OPTIONS[mistake]
    async with app:
        with pytest.raises(error, match=text):
            await Note().dispatch(**options)
        with pytest.raises(error, match=text):
            await dispatch_many([Note(), Note()], **options)
        assert (await size_of(app)).total == 0


async def test_the_nearer_option_wins(app: AsyncQ) -> None:
    class Routed(Job, queue="class", tries=1):
        def dispatch_options(self) -> DispatchOptions:
            return {"queue": "instance"}

        async def handle(self) -> None: ...

    async with app:
        assert (await Routed().dispatch()).queue == "instance"
        assert (await Routed().dispatch(queue="call")).queue == "call"
        assert (await note.options(queue="a").options(queue="b").bind("x").dispatch()).queue == "b"
        assert (await note.options(queue="a").bind("x").dispatch(queue="c")).queue == "c"
        assert (await note_in_thread.dispatch("x")).queue == "mail"


async def test_options_of_a_function_do_not_change_the_function(app: AsyncQ) -> None:
    note.options(queue="elsewhere")
    async with app:
        assert (await note.dispatch("x")).queue == "default"


async def test_tags_and_group_travel_with_the_job(app: AsyncQ) -> None:
    class Tagged(Job, tags=["class"]):
        number: int

        async def handle(self) -> None:
            raise ValueError

    class Asked(Job):
        number: int

        async def handle(self) -> None:
            raise ValueError

        def tags(self) -> list[str]:
            return [f"number:{self.number}"]

        def group(self) -> str:
            return f"group:{self.number}"

    async with app, app.worker(concurrency=1):
        await Tagged(number=1).dispatch()
        await empty(app)
        await Asked(number=2).dispatch()
        await empty(app)
        await Asked(number=3).dispatch(tags=["x"], group="g")
        await empty(app)
        records = (await failed_jobs(app))[::-1]
    assert [(record.tags, record.group) for record in records] == [
        (("class",), None),
        (("number:2",), "group:2"),
        (("x",), "g"),
    ]


async def test_an_id_of_ones_own_makes_a_dispatch_repeatable(app: AsyncQ) -> None:
    async with app:
        first = await Note().dispatch(id="order:7")
        second = await Note().dispatch(id="order:7")
        assert (await size_of(app)).ready == 1
    assert (first.id, first.created, second.id, second.created) == ("order:7", True, "order:7", False)


async def test_a_job_may_dispatch_another_one(app: AsyncQ) -> None:
    class Parent(Job):
        async def handle(self) -> None:
            await Note(what="child").dispatch()

    async with app, app.worker():
        await Parent().dispatch()
        await eventually(lambda: ran == ["child"])
        await empty(app)


async def test_the_job_can_be_changed_after_its_dispatch_without_effect(app: AsyncQ) -> None:
    class Listed(Job):
        items: list[int] = field(default_factory=list[int])

        async def handle(self) -> None:
            ran.append(list(self.items))

    async with app, app.worker():
        work = Listed(items=[1])
        await work.dispatch()
        work.items.append(2)
        await empty(app)
    assert ran == [[1]]


# --- many ---


async def test_many_jobs_take_one_call_and_keep_their_order(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app:
        spy = await spied(app, monkeypatch)
        handles = await dispatch_many([Note(what=number) for number in range(100)])
        assert [len(call) for call in spy.calls] == [100]
        assert spy.calls[0] == [handle.id for handle in handles]
        async with app.worker(concurrency=1):
            await empty(app)
    assert ran == list(range(100))


async def test_many_of_nothing_push_nothing(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app:
        spy = await spied(app, monkeypatch)
        assert not await dispatch_many([])
    assert not any(spy.calls)


async def test_many_jobs_may_be_of_several_kinds_queues_and_connections(url: str, tmp_path: Path) -> None:
    other = f"sqlite:///{tmp_path}/other.db"
    async with AsyncQ(connections={"one": url, "two": other}, default="one") as app:
        handles = await app.dispatch_many(
            [Note(what=1), note.options(connection="two").bind("a"), note_in_thread.bind("b"), Note(what=2)]
        )
        sizes = {}
        for name in ("one", "two"):
            driver = (await app.engine()).driver(name)
            found = await driver.sizes(["default", "mail"])
            sizes[name] = {queue: size.ready for queue, size in found.items()}
    assert [(handle.connection, handle.queue) for handle in handles] == [
        ("one", "default"),
        ("two", "default"),
        ("one", "mail"),
        ("one", "default"),
    ]
    assert sizes == {"one": {"default": 2, "mail": 1}, "two": {"default": 1, "mail": 0}}
    assert len({handle.id for handle in handles}) == 4


async def test_one_job_that_cannot_travel_keeps_all_of_them_back(app: AsyncQ) -> None:
    async with app:
        with pytest.raises(EncodeError, match=r"Note\.what"):
            await dispatch_many([Note(what=1), Note(what={1, 2})])
        assert (await size_of(app)).total == 0


# --- the push ---


async def test_concurrent_dispatches_share_a_push(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app:
        spy = await spied(app, monkeypatch)
        spy.gate = anyio.Event()
        async with anyio.create_task_group() as group:
            for number in range(50):
                group.start_soon(Note(what=number).dispatch)
            await eventually(lambda: len(spy.calls) == 1)
            await anyio.sleep(0)  # noqa: ASYNC115 - a turn of the loop, in which the others arrive
            spy.gate.set()
        assert (await size_of(app)).ready == 50
    assert sum(map(len, spy.calls)) == 50
    assert len(spy.calls) <= 2


async def test_a_dispatch_that_the_broker_refuses_takes_no_other_with_it(
    app: AsyncQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes: dict[str, str] = {}

    async def dispatch(name: str) -> None:
        try:
            await Note(what=name).dispatch(id=name)
            outcomes[name] = "sent"
        except DriverError as error:
            outcomes[name] = str(error)

    async with app:
        spy = await spied(app, monkeypatch)
        spy.gate, spy.refuse = anyio.Event(), {"bad"}
        async with anyio.create_task_group() as group:
            for name in ("first", "good", "bad", "fine"):
                group.start_soon(dispatch, name)
            await eventually(lambda: bool(spy.calls))
            spy.gate.set()
        assert (await size_of(app)).ready == 3
    assert outcomes == {"first": "sent", "good": "sent", "bad": "refused: bad", "fine": "sent"}


async def test_a_push_that_fails_leaves_nothing_half_done(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app:
        with monkeypatch.context() as patch:
            spy = await spied(app, patch)
            spy.refuse = {"second"}
            with pytest.raises(DriverError, match="refused: second"):
                await dispatch_many([note.options(id=name).bind(name) for name in ("first", "second")])
            assert (await size_of(app)).total == 0
        handles = await dispatch_many([note.options(id=name).bind(name) for name in ("first", "second")])
        assert [handle.created for handle in handles] == [True, True]


async def test_a_caller_that_is_cancelled_tears_nobody_elses_push(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app:
        spy = await spied(app, monkeypatch)
        spy.gate = anyio.Event()
        leader = asyncio.create_task(Note(what="leader").dispatch(id="leader"))
        await eventually(lambda: bool(spy.calls))
        follower = asyncio.create_task(Note(what="follower").dispatch(id="follower"))
        await asyncio.sleep(0)
        leader.cancel()
        spy.gate.set()
        assert (await follower).created
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert (await size_of(app)).ready in {1, 2}  # the leader's own is in doubt, as any call that is cancelled


async def test_leaving_the_app_waits_for_a_push_under_way(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = AsyncQ(url)
    async with app:
        spy = await spied(app, monkeypatch)
        spy.gate = anyio.Event()
        task = asyncio.create_task(Note().dispatch())
        await eventually(lambda: bool(spy.calls))
        asyncio.get_running_loop().call_later(0.05, spy.gate.set)
    assert (await task).created


# --- which app ---


async def test_without_an_open_app_the_only_one_that_was_built_is_opened(app: AsyncQ) -> None:
    handle = await Note().dispatch()
    assert handle.created
    assert (await size_of(app)).ready == 1


async def test_two_open_apps_are_ambiguous_outside_their_context(url: str, tmp_path: Path) -> None:
    one, two = AsyncQ(url), AsyncQ(f"sqlite:///{tmp_path}/two.db")
    errors: list[str] = []

    async def elsewhere() -> None:
        try:
            await Note().dispatch()
        except ConfigError as error:
            errors.append(str(error))

    before = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(_after(before, elsewhere))  # its context knows no app
    async with one, two:
        before.set_result(None)
        await task
        await Note().dispatch()
        assert (await size_of(two)).ready == 1
    assert "several AsyncQ apps are open" in errors[0]


async def _after(future: asyncio.Future[None], call: Any) -> None:
    await future
    await call()


async def test_a_job_dispatches_through_the_app_that_runs_it(url: str, tmp_path: Path) -> None:
    one, two = AsyncQ(url), AsyncQ(f"sqlite:///{tmp_path}/two.db")

    class Parent(Job):
        async def handle(self, ctx: JobContext) -> None:
            await Note(what="child").dispatch()

    async with one, one.worker(), two:
        await one.dispatch_many([Parent()])
        await eventually(lambda: ran == ["child"])
        await empty(one)
        assert (await size_of(two)).total == 0
