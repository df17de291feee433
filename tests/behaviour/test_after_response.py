"""`dispatch_after_response` in each framework: when jobs run, when they are dropped, who hears of their errors."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from asyncq import AsyncQ, Job, JobContext, blocking, job
from asyncq.asgi import QueueMiddleware
from asyncq.errors import ConfigError, EncodeError, NotOpen
from asyncq.events import JobFailed, JobProcessed
from tests.behaviour.looking import Heard, eventually, failed_jobs, size_of
from tests.behaviour.webs import FRAMEWORKS, Framework, ask, served, wrapped

notes: list[str] = []
"""What the request of a test and its jobs did, in their order."""


class Boom(Exception):
    pass


class Note(Job):
    text: str

    async def handle(self) -> None:
        notes.append(self.text)


@job
def note(text: str) -> None:
    notes.append(text)


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    notes.clear()


@pytest.fixture(params=FRAMEWORKS.values(), ids=list(FRAMEWORKS))
def web(request: pytest.FixtureRequest) -> Framework:
    """The framework whose turn it is."""
    framework: Framework = request.param
    return framework


@pytest.fixture
def queue() -> AsyncQ:
    """An app whose jobs in memory nobody works on."""
    return AsyncQ("memory://")


def seen() -> list[str]:
    """Return the notes; a server need not ask for the body of a request."""
    return [text for text in notes if text != "asked"]


async def test_jobs_run_in_their_order_when_the_response_of_an_async_endpoint_has_gone_out(
    web: Framework, queue: AsyncQ
) -> None:
    async def endpoint() -> str:
        await Note(text="a").dispatch_after_response()
        await note.dispatch_after_response("b")
        await note.bind("c").dispatch_after_response()
        return "hello"

    async with queue:
        answer = await ask(web.make({"/": endpoint}), notes=notes)
        assert (answer.status, answer.body) == (200, b"hello")
        assert "a" not in notes
        assert (await size_of(queue)).total == 0
    assert seen() == ["start", "last", "over", "a", "b", "c"]


async def test_the_same_from_an_endpoint_in_a_thread(web: Framework, queue: AsyncQ) -> None:
    def endpoint() -> str:
        blocking.dispatch_after_response(Note(text="a"))
        blocking.dispatch_after_response(note.bind("b"))
        return "hello"

    async with queue:
        assert (await ask(web.make({"/": endpoint}), notes=notes)).body == b"hello"
    assert seen() == ["start", "last", "over", "a", "b"]


async def test_they_run_after_an_answer_that_refuses(web: Framework, queue: AsyncQ) -> None:
    async def endpoint() -> str:
        await Note(text="a").dispatch_after_response()
        raise web.refusal()

    async with queue:
        assert (await ask(web.make({"/": endpoint}), notes=notes)).status == 403
    assert seen() == ["start", "last", "over", "a"]


async def test_they_are_dropped_where_the_application_raised_unanswered(
    web: Framework, queue: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    async def endpoint() -> str:
        await Note(text="a").dispatch_after_response()
        raise Boom

    async with queue:
        with caplog.at_level(logging.WARNING, "asyncq.job"):
            answer = await ask(web.make({"/": endpoint}), notes=notes)
    assert answer.status == 500
    dropped = [record.getMessage() for record in caplog.records if record.name == "asyncq.job"]
    if web.answers_errors:
        assert (notes[-1], dropped) == ("a", [])
    else:
        assert isinstance(answer.error, Boom)
        assert "a" not in notes
        assert len(dropped) == 1
        assert dropped[0].endswith("is dropped: the request that dispatched it was not answered")
        assert "Note" in dropped[0]


async def test_an_error_reaches_log_events_and_failed_and_the_next_job_runs(
    web: Framework, queue: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[BaseException] = []

    class Fails(Job, tries=5):
        async def handle(self, ctx: JobContext) -> None:
            notes.append(f"attempt {ctx.attempt}")
            raise Boom("here")

        async def failed(self, error: BaseException, /) -> None:
            told.append(error)

    async def endpoint() -> str:
        await Fails().dispatch_after_response()
        await Note(text="next").dispatch_after_response()
        return ""

    heard = Heard(queue)
    with caplog.at_level(logging.ERROR, "asyncq.job"):
        async with queue:
            await ask(web.make({"/": endpoint}), notes=notes)
            await heard.until(JobProcessed)
            assert not await failed_jobs(queue)
    assert seen()[-2:] == ["attempt 1", "next"]
    assert [str(error) for error in told] == ["here"]
    (record,) = caplog.records
    assert "failed for good in attempt 1: " in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Boom)
    assert isinstance(heard.of(JobFailed)[0].error, Boom)
    assert heard.names == [
        *("JobProcessing", "JobExceptionOccurred", "JobFailed", "JobAttempted"),
        *("JobProcessing", "JobProcessed", "JobAttempted"),
    ]


async def test_a_handler_in_a_thread_and_middleware_do_as_with_a_worker(queue: AsyncQ) -> None:
    async def around(ctx: JobContext, call_next: Callable[[JobContext], Any]) -> Any:
        notes.append("before")
        await call_next(ctx)
        notes.append("after")

    @job(middleware=[around])
    def blocks() -> None:
        notes.append("blocks")

    async def endpoint() -> str:
        await blocks.dispatch_after_response()
        return ""

    async with queue:
        await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))
    assert notes == ["before", "blocks", "after"]


async def test_a_released_job_runs_again_in_its_place(queue: AsyncQ) -> None:
    class Waits(Job):
        async def handle(self, ctx: JobContext) -> None:
            notes.append(f"attempt {ctx.attempt}")
            if ctx.attempt < 3:
                ctx.release(0.01)

    async def endpoint() -> str:
        await Waits().dispatch_after_response()
        await Note(text="next").dispatch_after_response()
        return ""

    heard = Heard(queue)
    async with queue:
        await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))
        await heard.until(JobProcessed, 2)
    assert notes == ["attempt 1", "attempt 2", "attempt 3", "next"]


async def test_a_job_sees_the_context_of_its_dispatch(web: Framework, queue: AsyncQ) -> None:
    user: ContextVar[str] = ContextVar("user", default="nobody")

    class Who(Job):
        async def handle(self) -> None:
            notes.append(user.get())

    async def endpoint() -> str:
        user.set("ada")
        await Who().dispatch_after_response()
        user.set("bob")
        await Who().dispatch_after_response()
        return ""

    async with queue:
        await ask(web.make({"/": endpoint}))
    assert notes == ["ada", "bob"]
    assert user.get() == "nobody"


async def test_the_arguments_are_encoded_when_it_is_called(queue: AsyncQ) -> None:
    class Takes(Job):
        items: list[int]

        async def handle(self) -> None:
            notes.append(str(self.items))

    async def endpoint() -> str:
        items = [1, 2]
        await Takes(items=items).dispatch_after_response()
        items.append(3)
        with pytest.raises(EncodeError, match="items"):
            await Takes(items="no").dispatch_after_response()  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
        return ""

    async with queue:
        await ask(FRAMEWORKS["fastapi"].make({"/": endpoint}))
    assert notes == ["[1, 2]"]


async def test_it_is_refused_where_no_response_is_under_way(queue: AsyncQ) -> None:
    refused = r"no response is under way.*add asyncq\.asgi\.QueueMiddleware.*use dispatch\(\)"
    async with queue:
        for call in (Note(text="a"), note.bind("a")):
            with pytest.raises(NotOpen, match=refused):
                await call.dispatch_after_response()
        with pytest.raises(NotOpen, match=refused):
            await anyio.to_thread.run_sync(blocking.dispatch_after_response, Note(text="a"))


async def test_the_blocking_call_is_refused_in_the_thread_of_the_loop(queue: AsyncQ) -> None:
    async def endpoint() -> str:
        with pytest.raises(ConfigError, match="whose event loop is running"):
            blocking.dispatch_after_response(Note(text="a"))
        return "refused"

    async with queue:
        assert (await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))).body == b"refused"


async def test_an_application_that_opened_nothing_has_its_queue_opened_in_the_loop_of_the_server(
    queue: AsyncQ,
) -> None:
    ran: list[asyncio.AbstractEventLoop] = []

    class Where(Job):
        async def handle(self) -> None:
            ran.append(asyncio.get_running_loop())

    def endpoint() -> str:
        blocking.dispatch_after_response(Where())
        return ""

    app = FRAMEWORKS["starlette"].make({"/": endpoint})
    async with served(app):
        await ask(app)
    assert ran == [asyncio.get_running_loop()]


class TestOfStarlette:
    """What only an application of a certain kind does."""

    async def test_background_tasks_and_what_they_dispatch_come_first(self, queue: AsyncQ) -> None:
        async def last() -> None:
            await Note(text="job of the task").dispatch_after_response()
            notes.append("task")

        async def endpoint(request: Any) -> PlainTextResponse:
            await Note(text="job").dispatch_after_response()
            return PlainTextResponse("", background=BackgroundTask(last))

        async with queue:
            await ask(wrapped(Route("/", endpoint)), notes=notes)
        assert seen() == ["start", "last", "task", "over", "job", "job of the task"]

    async def test_an_error_after_the_answer_drops_nothing(self, queue: AsyncQ) -> None:
        async def last() -> None:
            raise Boom

        async def endpoint(request: Any) -> PlainTextResponse:
            await Note(text="job").dispatch_after_response()
            return PlainTextResponse("", background=BackgroundTask(last))

        async with queue:
            assert isinstance((await ask(wrapped(Route("/", endpoint)))).error, Boom)
        assert notes == ["job"]

    async def test_a_stream_dispatches_while_it_goes_out(self, queue: AsyncQ) -> None:
        async def parts() -> AsyncIterator[str]:
            yield "one"
            await Note(text="job").dispatch_after_response()
            yield "two"

        async def endpoint(request: Any) -> StreamingResponse:
            return StreamingResponse(parts())

        async with queue:
            await ask(wrapped(Route("/", endpoint)), notes=notes)
        assert seen() == ["start", "body", "body", "last", "over", "job"]

    @pytest.mark.parametrize("begun", [True, False])
    async def test_a_request_that_is_cancelled_leaves_its_jobs_if_it_had_begun_to_answer(
        self, queue: AsyncQ, *, begun: bool
    ) -> None:
        waits = anyio.Event()

        async def parts() -> AsyncIterator[str]:
            yield "one"
            waits.set()
            await anyio.sleep_forever()

        async def endpoint(request: Any) -> StreamingResponse:
            await Note(text="job").dispatch_after_response()
            if not begun:
                waits.set()
                await anyio.sleep_forever()
            return StreamingResponse(parts())

        async with queue:
            task = asyncio.create_task(ask(wrapped(Route("/", endpoint))))
            with anyio.fail_after(10):
                await waits.wait()
            task.cancel()
            await asyncio.wait([task])
        assert notes == (["job"] if begun else [])

    async def test_a_mounted_application_waits_for_the_whole_response(self, queue: AsyncQ) -> None:
        async def endpoint(request: Any) -> PlainTextResponse:
            await Note(text="job").dispatch_after_response()
            return PlainTextResponse("")

        inner = wrapped(Route("/", endpoint))

        async def later(scope: Any, receive: Any, send: Any) -> None:
            await inner(scope, receive, send)
            await anyio.sleep(0.05)
            notes.append("outer")

        async with queue:
            await ask(wrapped(Mount("/", later)), notes=notes)
        assert seen() == ["start", "last", "outer", "over", "job"]

    async def test_a_request_within_a_request_is_one_of_its_own(self, queue: AsyncQ) -> None:
        async def inner(request: Any) -> PlainTextResponse:
            await Note(text="inner").dispatch_after_response()
            return PlainTextResponse("")

        async def outer(request: Any) -> PlainTextResponse:
            await Note(text="outer").dispatch_after_response()
            await ask(app, "/inner")
            await eventually(lambda: "inner" in notes)
            return PlainTextResponse("")

        app = wrapped(Route("/", outer), Route("/inner", inner))
        async with queue:
            await ask(app)
        assert notes == ["inner", "outer"]

    async def test_a_websocket_has_no_response(self, queue: AsyncQ) -> None:
        async def endpoint(socket: Any) -> None:
            with pytest.raises(NotOpen, match="a websocket"):
                await Note(text="a").dispatch_after_response()
            notes.append("refused")

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None: ...

        scope: dict[str, Any] = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "root_path": ""}
        async with queue:
            await wrapped(WebSocketRoute("/", endpoint))(scope, receive, send)
        assert notes == ["refused"]


async def test_what_outlives_its_request_dispatches_at_once(queue: AsyncQ) -> None:
    over, tasks = anyio.Event(), set[asyncio.Task[None]]()

    async def late() -> None:
        await over.wait()
        await Note(text="late").dispatch_after_response()

    async def endpoint() -> str:
        tasks.add(asyncio.create_task(late()))
        return ""

    heard = Heard(queue)
    async with queue:
        await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))
        over.set()
        await asyncio.wait(tasks)
        await heard.until(JobProcessed)
    assert notes == ["late"]


async def test_a_job_that_ran_after_a_response_may_dispatch_another_one(queue: AsyncQ) -> None:
    class First(Job):
        async def handle(self) -> None:
            await Note(text="second").dispatch_after_response()
            notes.append("first")

    async def endpoint() -> str:
        await First().dispatch_after_response()
        return ""

    async with queue:
        await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))
    assert notes == ["first", "second"]


@pytest.mark.parametrize("mistake", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
async def test_whatever_a_handler_raises_is_its_own_failure(
    queue: AsyncQ, caplog: pytest.LogCaptureFixture, mistake: type[BaseException]
) -> None:
    class Odd(Job):
        async def handle(self) -> None:
            raise mistake

    async def endpoint() -> str:
        await Odd().dispatch_after_response()
        await Note(text="next").dispatch_after_response()
        return ""

    heard = Heard(queue)
    async with queue:
        await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))
        await heard.until(JobProcessed)
    assert notes == ["next"]
    assert type(heard.of(JobFailed)[0].error) is mistake
    assert "failed for good" in caplog.text


async def test_no_more_than_fifty_run_at_once(queue: AsyncQ) -> None:
    running: list[int] = []
    most: list[int] = []
    go = anyio.Event()

    class Counts(Job):
        async def handle(self) -> None:
            running.append(1)
            most.append(len(running))
            await go.wait()
            running.pop()

    async def endpoint() -> str:
        await Counts().dispatch_after_response()
        return ""

    app = FRAMEWORKS["starlette"].make({"/": endpoint})
    heard = Heard(queue)
    async with queue:
        for _ in range(60):
            await ask(app)
        await eventually(lambda: len(running) == 50)
        await anyio.sleep(0.02)
        go.set()
        await heard.until(JobProcessed, 60)
    assert max(most) == 50


@pytest.mark.parametrize(("grace", "why"), [(-1, "must be 0 or more"), ("soon", "takes seconds or a timedelta")])
def test_a_grace_that_is_no_time_is_refused(grace: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=f"QueueMiddleware: grace.*{why}"):
        QueueMiddleware(Starlette(), grace=grace)
