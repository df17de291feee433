"""What the end of an app, a server or a loop means for jobs that run after a response: the grace, and what is lost."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import asyncq.aside
from asyncq import AsyncQ, Job, JobContext
from asyncq.events import JobInterrupted, JobReleased
from tests.behaviour.looking import Heard, eventually
from tests.behaviour.webs import FRAMEWORKS, ask, served, wrapped

notes: list[str] = []
"""What the jobs of a test did, in their order; the first thing is that one has begun."""


class Waits(Job):
    """Takes its time, and tells whether it was given."""

    seconds: float = 60.0

    async def handle(self) -> None:
        notes.append("begun")
        try:
            await anyio.sleep(self.seconds)
        except asyncio.CancelledError:
            notes.append("cancelled")
            raise
        notes.append("ended")


class Note(Job):
    text: str

    async def handle(self) -> None:
        notes.append(self.text)


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    notes.clear()


@pytest.fixture
def queue() -> AsyncQ:
    return AsyncQ("memory://")


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.WARNING, "asyncq.job")
    return caplog


async def request(*jobs: Job, grace: float = 20.0) -> None:
    """Answer a request that leaves these jobs, and return when the first has begun."""

    async def endpoint(request: Any) -> PlainTextResponse:
        for one in jobs:
            await one.dispatch_after_response()
        return PlainTextResponse("")

    await ask(wrapped(Route("/", endpoint), grace=grace))
    await eventually(lambda: "begun" in notes)


async def test_leaving_the_app_waits_for_them(queue: AsyncQ, log: pytest.LogCaptureFixture) -> None:
    async with queue:
        await request(Waits(seconds=0.1), Note(text="next"))
    assert notes == ["begun", "ended", "next"]
    assert not log.records


async def test_what_outlasts_the_grace_is_cancelled_and_named_and_so_is_what_waits(
    queue: AsyncQ, log: pytest.LogCaptureFixture
) -> None:
    heard = Heard(queue, JobInterrupted)
    since = time.monotonic()
    async with queue:
        await request(Waits(), Note(text="next"), grace=0.05)
    assert time.monotonic() - since < 5
    assert notes == ["begun", "cancelled"]
    assert heard.of(JobInterrupted)[0].reason == "shutdown"
    waits, running = sorted(record.getMessage() for record in log.records)
    assert "Note" in waits
    assert "is lost: its app closed before it began, and no broker keeps it" in waits
    assert "Waits" in running
    assert "is lost: it did not end before its app closed, and no broker keeps it" in running
    assert {record.levelname for record in log.records} == {"ERROR"}


async def test_a_long_job_can_see_that_the_app_closes(queue: AsyncQ, log: pytest.LogCaptureFixture) -> None:
    class Long(Job):
        async def handle(self, ctx: JobContext) -> None:
            notes.append("begun")
            await ctx.stopping.wait()
            notes.append("stopped")

    async with queue:
        await request(Long())
    assert notes == ["begun", "stopped"]
    assert not log.records


async def test_one_that_then_puts_itself_back_is_lost_at_once(queue: AsyncQ, log: pytest.LogCaptureFixture) -> None:
    class HandsBack(Job):
        async def handle(self, ctx: JobContext) -> None:
            notes.append("begun")
            await ctx.stopping.wait()
            notes.append("back")
            ctx.release()

    since = time.monotonic()
    async with queue:
        await request(HandsBack())
    assert time.monotonic() - since < 5
    assert notes == ["begun", "back"]
    assert "HandsBack" in log.text
    assert "is lost" in log.text


async def test_one_whose_next_attempt_would_come_after_the_grace_is_lost_at_once(
    queue: AsyncQ, log: pytest.LogCaptureFixture
) -> None:
    class Again(Job):
        async def handle(self, ctx: JobContext) -> None:
            notes.append("begun")
            ctx.release(60)

    since = time.monotonic()
    async with queue:
        heard = Heard(queue, JobReleased)
        await request(Again())
        await heard.until(JobReleased)
    assert time.monotonic() - since < 10
    assert notes == ["begun"]
    assert "is lost: its app closed before its next attempt" in log.text


async def test_one_whose_next_attempt_comes_within_the_grace_has_it(queue: AsyncQ) -> None:
    class Again(Job):
        async def handle(self, ctx: JobContext) -> None:
            notes.append("begun")
            if ctx.attempt == 1:
                ctx.release(0.3)

    async with queue:
        heard = Heard(queue, JobReleased)
        await request(Again())
        await heard.until(JobReleased)  # where the app closes before that, it is lost
    assert notes == ["begun", "begun"]


async def test_a_deaf_handler_is_left_with_its_stack_in_the_log(
    queue: AsyncQ, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncq.aside, "CANCEL_GRACE", 0.2)
    free = anyio.Event()

    class Deaf(Job):
        async def handle(self) -> None:
            notes.append("begun")
            until = time.monotonic() + 8  # a test that fails must end
            while not free.is_set() and time.monotonic() < until:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)

    since = time.monotonic()
    try:
        async with queue:
            await request(Deaf(), grace=0)
        assert time.monotonic() - since < 5
        assert "does not end; it is stuck here:\n" in log.text
        assert "in test_a_deaf_handler_is_left_with_its_stack_in_the_log.<locals>.Deaf.handle" in log.text
    finally:
        free.set()
        await eventually(lambda: "is lost" in log.text)


async def test_a_handler_in_a_thread_is_not_waited_for_past_its_grace(
    queue: AsyncQ, log: pytest.LogCaptureFixture
) -> None:
    go = threading.Event()

    class Blocks(Job):
        def handle(self) -> None:
            notes.append("begun")
            go.wait(30)

    since = time.monotonic()
    async with queue:
        await request(Blocks(), grace=0.05)
    go.set()
    assert time.monotonic() - since < 5
    assert "is lost" in log.text


async def test_a_close_that_is_cancelled_gives_no_grace(queue: AsyncQ, log: pytest.LogCaptureFixture) -> None:
    inside = anyio.Event()

    async def serve() -> None:
        async with queue:
            await request(Waits(), grace=60)
            inside.set()

    task = asyncio.create_task(serve())
    with anyio.fail_after(10):
        await inside.wait()
        await anyio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    assert notes == ["begun", "cancelled"]
    assert "is lost" in log.text


@pytest.mark.parametrize("name", ["starlette", "fastapi"])
async def test_the_server_waits_although_no_lifespan_opened_the_queue(
    name: str, queue: AsyncQ, log: pytest.LogCaptureFixture
) -> None:
    async def endpoint() -> str:
        await Waits(seconds=0.1).dispatch_after_response()
        return ""

    app = FRAMEWORKS[name].make({"/": endpoint})
    for _ in range(2):  # a test may serve an application more than once in a loop
        async with served(app):
            await ask(app)
    assert notes == ["begun", "ended"] * 2
    assert not log.records


async def test_the_graces_begin_with_the_end_of_the_server_and_not_after_what_else_ends_then() -> None:
    queue = AsyncQ("memory://")

    class Long(Job):
        async def handle(self, ctx: JobContext) -> None:
            await ctx.stopping.wait()
            notes.append("stopped")

    @asynccontextmanager
    async def lifespan(api: Any) -> AsyncGenerator[None]:
        async with queue:
            yield
            await eventually(lambda: notes == ["stopped"])

    async def endpoint() -> str:
        await Long().dispatch_after_response()
        return ""

    app = FRAMEWORKS["starlette"].make({"/": endpoint}, lifespan=lifespan)
    async with served(app):
        await ask(app)
    assert notes == ["stopped"]


def test_a_loop_that_ends_without_asking_has_them_named(queue: AsyncQ, log: pytest.LogCaptureFixture) -> None:
    asyncio.run(request(Waits(), Note(text="next")))
    assert notes == ["begun", "cancelled"]
    assert "is lost: it did not end before its app closed" in log.text
    assert "is lost: its app closed before it began" in log.text


async def test_what_comes_when_the_app_has_closed_is_named(log: pytest.LogCaptureFixture) -> None:
    async def endpoint(request: Any) -> PlainTextResponse:
        async with AsyncQ("memory://"):
            await Note(text="late").dispatch_after_response()
        return PlainTextResponse("")

    await ask(wrapped(Route("/", endpoint)))
    assert notes == []
    assert "is lost: its app closed before it began" in log.text
