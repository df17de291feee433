"""What handlers receive: when it is made, for how long, and what happens to it when a run ends badly."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, cast

import anyio
import anyio.lowlevel
import fastapi
import pytest

import asyncq
from asyncq import INJECT, AsyncQ, Depends, Job, JobContext, Progress, Release, job
from asyncq.errors import ConfigError
from asyncq.events import JobFailed, JobProcessed, JobReleased
from asyncq.injector import Get
from asyncq.retry import Rules
from tests.behaviour.looking import Heard, empty, failed_jobs
from tests.behaviour.places import Supplied


class Log:
    """What happened, in its order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def memory() -> AsyncQ:
    return AsyncQ("memory://")


async def ran(app: AsyncQ, *jobs: Job) -> None:
    async with app, app.worker():
        await app.dispatch_many(jobs)
        await empty(app)


# --- kinds ------------------------------------------------------------------------------------------------------------


async def test_every_kind_of_dependency_is_made_before_the_handler_and_cleaned_up_after_it(
    app: AsyncQ, log: Log
) -> None:
    def plain() -> str:
        log.add("plain")
        return "plain"

    async def coroutine() -> str:
        log.add("coroutine")
        return "coroutine"

    def generator() -> Iterator[str]:
        log.add("generator +")
        yield "generator"
        log.add("generator -")

    async def async_generator() -> AsyncIterator[str]:
        log.add("async generator +")
        yield "async generator"
        log.add("async generator -")

    class Ask:
        def __init__(self, word: Annotated[str, Depends(plain)]) -> None:
            self.word = word

        async def __call__(self) -> str:
            return "object"

    class Uses(Job):
        async def handle(  # noqa: PLR0917  # injected by name
            self,
            a: Annotated[str, Depends(plain)],
            b: Annotated[str, Depends(coroutine)],
            c: Annotated[str, Depends(generator)],
            d: Annotated[str, Depends(async_generator)],
            e: Annotated[Ask, Depends()],
            f: Annotated[str, Depends(Ask("ready"))],
        ) -> None:
            log.add(f"handle {a}, {b}, {c}, {d}, {e.word}, {f}")

    await ran(app, Uses())
    assert log.lines == [
        "plain",
        "coroutine",
        "generator +",
        "async generator +",
        "handle plain, coroutine, generator, async generator, plain, object",
        "async generator -",
        "generator -",
    ]


async def test_one_value_for_each_run_unless_it_is_told_not_to(memory: AsyncQ) -> None:
    class Session: ...

    def repository(session: Annotated[Session, Depends(Session)]) -> Session:
        return session

    seen: list[tuple[int, int, int]] = []

    class Uses(Job):
        async def handle(
            self,
            session: Annotated[Session, Depends(Session)],
            same: Annotated[Session, Depends(repository)],
            other: Annotated[Session, Depends(Session, use_cache=False)],
        ) -> None:
            kept.extend([session, same, other])
            seen.append((id(session), id(same), id(other)))

    kept: list[Session] = []
    await ran(memory, Uses(), Uses())
    assert all(first == same != other for first, same, other in seen)
    assert len({number for numbers in seen for number in numbers}) == 4


async def test_a_function_job_receives_what_is_marked_and_its_callers_pass_the_rest(memory: AsyncQ) -> None:
    got: list[object] = []

    def clock() -> int:
        return 7

    @job
    async def work(
        word: str,
        now: Annotated[int, Depends(clock)] = INJECT,
        ctx: JobContext = INJECT,
        *,
        again: int = Depends(clock),
    ) -> None:
        got.append((word, now, ctx.attempt, again))

    async with memory, memory.worker():
        await work.dispatch("x")
        await empty(memory)
    assert got == [("x", 7, 1, 7)]


async def test_a_marker_of_fastapi_works_as_it_does_there(memory: AsyncQ) -> None:
    got: list[int] = []

    async def answer() -> int:
        return 42

    class Uses(Job):
        async def handle(self, number: Annotated[int, fastapi.Depends(answer)]) -> None:
            got.append(number)

    await ran(memory, Uses())
    assert got == [42]


async def test_the_job_its_logger_and_its_progress_are_injected_by_type(
    app: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    got: list[object] = []

    class Uses(Job):
        number: int

        async def handle(self, log: logging.Logger, tell: Progress, me: Uses, any_job: Job) -> None:
            log.warning("from %d", me.number)
            await tell(1, 2)
            got.append((type(tell), me is self, any_job is self))

    with caplog.at_level(logging.WARNING, "asyncq.job"):
        await ran(app, Uses(number=3))
    [record] = [item for item in caplog.records if item.message == "from 3"]
    assert (record.name, vars(record)["attempt"], vars(record)["queue"]) == ("asyncq.job.Uses", 1, "default")
    assert got == [(Progress, True, True)]


# --- bad ends ---------------------------------------------------------------------------------------------------------


async def test_an_error_goes_through_the_clean_up_and_none_can_swallow_it(app: AsyncQ, log: Log) -> None:
    async def swallows() -> AsyncIterator[int]:
        try:
            yield 1
        except ValueError as error:
            log.add(f"saw {error}")

    class Fails(Job):
        async def handle(self, one: Annotated[int, Depends(swallows)]) -> None:
            raise ValueError("no")

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert log.lines == ["saw no"]
    assert record.error == "ValueError: no"


async def test_an_error_of_the_clean_up_fails_the_attempt(app: AsyncQ) -> None:
    def breaks() -> Iterator[int]:
        yield 1
        raise LookupError("closing failed")

    class Works(Job, tries=2):
        async def handle(self, one: Annotated[int, Depends(breaks)]) -> None: ...

    async with app, app.worker():
        await Works().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert (record.error, record.attempts) == ("LookupError: closing failed", 2)


async def test_what_was_made_is_cleaned_up_where_a_later_one_cannot_be_made(memory: AsyncQ, log: Log) -> None:
    async def first() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            log.add("cleaned")

    async def second(one: Annotated[int, Depends(first)]) -> int:
        raise ConnectionError("down")

    class Never(Job):
        async def handle(self, two: Annotated[int, Depends(second)]) -> None:
            log.add("ran")

    async with memory, memory.worker():
        await Never().dispatch()
        await empty(memory)
        [record] = await failed_jobs(memory)
    assert log.lines == ["cleaned"]
    assert record.error == "ConnectionError: down"


async def test_a_job_that_times_out_is_cleaned_up_with_time_to_await(app: AsyncQ, log: Log) -> None:
    async def session() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await anyio.sleep(0.01)  # would be cancelled at once, were it not for a time of its own
            log.add("closed")

    class Hangs(Job, timeout=0.1):
        async def handle(self, one: Annotated[int, Depends(session)]) -> None:
            await anyio.sleep_forever()

    async with app, app.worker():
        await Hangs().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert log.lines == ["closed"]
    assert record.error.startswith("JobTimeout")


@pytest.mark.parametrize("place", ["loop", "thread"])
async def test_the_timeout_covers_what_is_made_before_the_handler(memory: AsyncQ, place: str) -> None:
    async def hangs() -> int:
        await anyio.sleep_forever()
        return 1

    class InLoop(Job, timeout=0.1):
        async def handle(self, one: Annotated[int, Depends(hangs)]) -> None: ...

    class InThread(Job, timeout=0.1):
        def handle(self, one: Annotated[int, Depends(hangs)]) -> None: ...

    async with memory, memory.worker():
        await (InLoop() if place == "loop" else InThread()).dispatch()
        await empty(memory)
        [record] = await failed_jobs(memory)
    assert record.error.startswith("JobTimeout")


async def test_a_signal_of_the_job_passes_through_its_dependencies(memory: AsyncQ) -> None:
    heard = Heard(memory, JobReleased, JobProcessed)

    async def session() -> AsyncIterator[int]:
        yield 1

    class Again(Job, tries=2):
        async def handle(self, ctx: JobContext, one: Annotated[int, Depends(session)]) -> None:
            if ctx.attempt == 1:
                raise Release

    async with memory, memory.worker():
        await Again().dispatch()
        await heard.until(JobProcessed)
    assert heard.names == ["JobReleased", "JobProcessed"]


# --- threads and processes --------------------------------------------------------------------------------------------


async def test_of_a_blocking_handler_the_sync_dependencies_are_made_in_its_thread(app: AsyncQ, log: Log) -> None:
    threads: dict[str, int] = {}

    async def pool() -> AsyncIterator[str]:
        threads["pool"] = threading.get_ident()
        yield "pool"
        log.add("pool closed")

    def name() -> str:
        threads["name"] = threading.get_ident()
        return "n"

    async def uses_name(name: Annotated[str, Depends(name)]) -> str:
        return name

    def cursor(pool: Annotated[str, Depends(pool)], name: Annotated[str, Depends(uses_name)]) -> Iterator[str]:
        threads["cursor"] = threading.get_ident()
        yield f"cursor of {pool} {name}"
        threads["close"] = threading.get_ident()
        log.add("cursor closed")

    class Blocks(Job):
        def handle(self, cursor: Annotated[str, Depends(cursor)]) -> None:
            threads["handle"] = threading.get_ident()
            log.add(cursor)

    await ran(app, Blocks())
    assert log.lines == ["cursor of pool n", "cursor closed", "pool closed"]
    assert threads["handle"] == threads["cursor"] == threads["close"] != threads["pool"]
    assert threads["pool"] == threads["name"] == threading.get_ident()


async def test_a_handler_in_a_process_gets_its_dependencies_there() -> None:
    app = AsyncQ("memory://")
    heard = Heard(app, JobProcessed)
    async with app, app.worker():
        await Supplied().dispatch()
        await heard.until(JobProcessed)
    [event] = heard.of(JobProcessed)
    assert event.result == ["sync in the child", "async in the child"]


# --- the whole app ----------------------------------------------------------------------------------------------------


async def test_what_belongs_to_the_app_is_made_once_and_closed_with_it(url: str, log: Log) -> None:
    @asynccontextmanager
    async def around(app: AsyncQ) -> AsyncGenerator[None]:
        log.add("lifespan +")
        await Uses(number=0).dispatch()
        yield
        log.add("lifespan -")

    async def get_pool() -> AsyncIterator[str]:
        log.add("pool +")
        await anyio.lowlevel.checkpoint()
        yield "pool"
        log.add("pool -")

    class Uses(Job):
        number: int

        async def handle(self, pool: Annotated[str, Depends(get_pool, scope="app")]) -> None:
            log.add(pool)

    app = AsyncQ(url, lifespan=around)
    async with app:
        for _ in range(2):
            async with app.worker():
                await app.dispatch_many([Uses(number=number) for number in range(3)])
                await empty(app)
    assert log.lines == ["lifespan +", "pool +", *["pool"] * 7, "pool -", "lifespan -"]


async def test_a_lifespan_that_fails_keeps_the_app_closed() -> None:
    async def around(app: AsyncQ) -> AsyncIterator[None]:
        if app.connections:
            raise ConnectionError("no database")
        yield

    app = AsyncQ("memory://", lifespan=around)
    for _ in range(2):
        with pytest.raises(ConnectionError, match="no database"):
            async with app:
                pytest.fail("it opened")


async def test_what_could_not_be_made_for_the_app_is_tried_again(memory: AsyncQ) -> None:
    tries: list[int] = []

    async def get_pool() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("not yet")
        return "pool"

    got: list[str] = []

    class Uses(Job, tries=2):
        async def handle(self, pool: Annotated[str, Depends(get_pool, scope="app")]) -> None:
            got.append(pool)

    await ran(memory, Uses())
    assert (len(tries), got) == (2, ["pool"])


# --- overrides, bindings, resolvers -----------------------------------------------------------------------------------


async def test_an_override_holds_until_it_is_undone_also_while_a_worker_runs(memory: AsyncQ) -> None:
    got: list[str] = []
    heard = Heard(memory, JobProcessed)

    def name() -> str:
        return "real"

    def greeting(name: Annotated[str, Depends(name)]) -> str:
        return f"hello {name}"

    class Uses(Job):
        async def handle(self, greeting: Annotated[str, Depends(greeting)]) -> None:
            got.append(greeting)

    async with memory, memory.worker():
        await Uses().dispatch()
        await heard.until(JobProcessed, 1)
        with memory.override(name, lambda: "fake"):
            await Uses().dispatch()
            await heard.until(JobProcessed, 2)
            with memory.override(name, lambda: "other"):
                await Uses().dispatch()
                await heard.until(JobProcessed, 3)
            await Uses().dispatch()
            await heard.until(JobProcessed, 4)
        await Uses().dispatch()
        await heard.until(JobProcessed, 5)
    assert got == ["hello real", "hello fake", "hello other", "hello fake", "hello real"]


async def test_a_bound_call_stands_for_the_handler(app: AsyncQ) -> None:
    got: list[object] = []

    class Sends(Job):
        to: str

        def handle(self, mailer: int) -> None:  # nothing could inject an int
            got.append("handler")

    async def call(job: Sends, ctx: JobContext) -> None:
        got.append((job.to, ctx.attempt))

    app.bind(Sends, call)
    await ran(app, Sends(to="x"))
    assert got == [("x", 1)]


class Mailer:
    """A type that a resolver knows."""

    def __init__(self, id: str) -> None:
        self.id = id


class Container:
    """A resolver with a scope for each run."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def knows(self, wanted: Any, /) -> bool:
        return wanted is Mailer

    @asynccontextmanager
    async def open(self, ctx: JobContext, /) -> AsyncGenerator[Get]:
        async def get(wanted: Any) -> Any:
            self._log.add("made")
            return Mailer(ctx.id)

        self._log.add("open")
        yield get
        self._log.add("closed")


async def test_a_resolver_makes_bare_types_in_a_scope_of_the_run(url: str, log: Log) -> None:
    app = AsyncQ(url, resolver=Container(log))

    def letter(mailer: Mailer) -> str:
        return mailer.id

    class Uses(Job):
        async def handle(self, mailer: Mailer, letter: Annotated[str, Depends(letter)], ctx: JobContext) -> None:
            log.add(str(mailer.id == letter == ctx.id))

    class Plain(Job):
        async def handle(self) -> None: ...

    await ran(app, Uses(), Plain())
    assert log.lines == ["open", "made", "True", "closed"]


# --- what is refused when the worker starts ---------------------------------------------------------------------------


async def refusal(app: AsyncQ, cls: type[Job]) -> str:
    async with app:
        engine = await app.engine()
        executor = engine.executor(app.default, Rules(), anyio.Event(), lambda ctx: None, threads=1)
        with pytest.raises(ConfigError) as caught:
            executor.recipes.of(cls)
    return str(caught.value)


async def test_dependencies_that_need_each_other_are_told_with_the_circle(memory: AsyncQ) -> None:
    def first(two: Annotated[int, Depends(lambda: 1)]) -> int:
        return two

    def second(one: Annotated[int, Depends(first)]) -> int:
        return one

    first.__annotations__["two"] = Annotated[int, Depends(second)]

    class Circle(Job):
        async def handle(self, one: Annotated[int, Depends(first)]) -> None: ...

    text = await refusal(memory, Circle)
    assert "Circle: its dependencies need each other: " in text
    assert "first -> " in text
    assert text.endswith("first; break the circle")


async def test_a_dependency_with_a_parameter_that_nothing_fills_is_named(memory: AsyncQ) -> None:
    def get_mailer(host: str) -> int:
        return len(host)

    class Sends(Job):
        async def handle(self, mailer: Annotated[int, Depends(get_mailer)]) -> None: ...

    text = await refusal(memory, Sends)
    assert "get_mailer: nothing can be injected into 'host' (<class 'str'>)" in text


async def test_what_lives_long_must_not_need_what_lives_short(memory: AsyncQ) -> None:
    def user() -> int:
        return 1

    def pool(user: Annotated[int, Depends(user)]) -> int:
        return user

    def of_a_run(ctx: JobContext) -> int:
        return ctx.attempt

    class First(Job):
        async def handle(self, pool: Annotated[int, Depends(pool, scope="app")]) -> None: ...

    assert "lives as long as the app (scope='app') and its 'user' needs " in await refusal(memory, First)

    class Second(Job):
        async def handle(self, pool: Annotated[int, Depends(of_a_run, scope="app")]) -> None: ...

    assert "its 'ctx' needs what belongs to one run of a job" in await refusal(memory, Second)


async def test_a_decorated_generator_is_refused_with_the_way_out(memory: AsyncQ) -> None:
    @asynccontextmanager
    async def session() -> AsyncGenerator[int]:
        yield 1

    class Uses(Job):
        async def handle(self, session: Annotated[int, Depends(session)]) -> None: ...

    assert "Depends takes the generator function itself" in await refusal(memory, Uses)


async def test_a_type_of_the_resolver_cannot_reach_another_process(log: Log) -> None:
    class Far(Job, run_in="process"):
        def handle(self, mailer: Mailer) -> None: ...

    text = await refusal(AsyncQ("memory://", resolver=Container(log)), Far)
    assert "the app's resolver makes Mailer, but the handler runs in another process" in text


async def test_a_job_where_another_is_wanted_is_refused(memory: AsyncQ) -> None:
    class Other(Job):
        async def handle(self) -> None: ...

    def about(job: Other) -> int:
        return 1

    class Uses(Job):
        async def handle(self, about: Annotated[int, Depends(about)]) -> None: ...

    assert "'job' asks for a " in await refusal(memory, Uses)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda: Depends(cast("Any", 3)), "Depends(3): it takes a function or a class"),
        (lambda: Depends(len, scope=cast("Any", "request")), "Depends(scope='request'): it is 'job' or 'app'"),
        (lambda: Depends(len, scope="app", use_cache=False), "what lives as long as the app is shared"),
    ],
)
def test_a_wrong_marker_is_refused_where_it_is_written(wrong: Callable[[], object], told: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        wrong()
    assert told in str(caught.value)


async def test_dispatch_sync_injects_too(memory: AsyncQ) -> None:
    class Sums(Job):
        numbers: list[int]

        async def handle(self, add: Annotated[Callable[[list[int]], int], Depends(lambda: sum)]) -> int:
            return add(self.numbers)

    async with memory:
        assert await Sums(numbers=[1, 2]).dispatch_sync() == 3


async def test_a_dependency_may_dispatch_and_use_the_current_job(memory: AsyncQ) -> None:
    got: list[str] = []
    heard = Heard(memory, JobProcessed, JobFailed)

    async def audit() -> str:
        return asyncq.current().id

    class Uses(Job):
        async def handle(self, id: Annotated[Awaitable[str] | str, Depends(audit)]) -> None:
            got.append(str(id))

    async with memory, memory.worker():
        handle = await Uses().dispatch()
        await heard.until(JobProcessed)
    assert got == [handle.id]
