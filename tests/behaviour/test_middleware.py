"""What wraps a run: the order, ending it early, raising, and changing the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from asyncq import AsyncQ, Fail, Job, JobContext, Middleware, Next, Release, Skip, current
from asyncq.events import JobFailed, JobProcessed, JobReleased
from tests.behaviour.looking import Heard, empty, failed_jobs


class Boom(Exception):
    pass


class Notes:
    """A middleware that writes down when it is entered and left; a class with `__call__` is one too."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    async def __call__(self, ctx: JobContext, call_next: Next, /) -> Any:
        self.log.append(f"> {self.name}")
        try:
            return await call_next(ctx)
        finally:
            self.log.append(f"< {self.name}")


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_the_apps_is_outermost_then_the_classs_then_the_instances(url: str, kind: str) -> None:
    log: list[str] = []

    class Async(Job, middleware=[Notes("class 1", log), Notes("class 2", log)]):
        def middleware(self) -> Sequence[Middleware]:
            return [Notes("instance", log)]

        async def handle(self) -> None:
            log.append("handle")

    class Sync(Job, middleware=[Notes("class 1", log), Notes("class 2", log)]):
        def middleware(self) -> Sequence[Middleware]:
            return [Notes("instance", log)]

        def handle(self) -> None:
            log.append("handle")

    app = AsyncQ(url, middleware=[Notes("app", log)])
    async with app, app.worker():
        await (Async() if kind == "async" else Sync()).dispatch()
        await empty(app)
    ways = ["app", "class 1", "class 2", "instance"]
    assert log == [*(f"> {name}" for name in ways), "handle", *(f"< {name}" for name in reversed(ways))]


async def test_the_middleware_of_a_base_class_holds_for_its_children_unless_they_have_their_own(app: AsyncQ) -> None:
    log: list[str] = []

    class Base(Job, middleware=[Notes("base", log)], abstract=True):
        async def handle(self) -> None:
            log.append("handle")

    class Child(Base): ...

    class Own(Base, middleware=[Notes("own", log)]): ...

    async with app, app.worker(concurrency=1):
        await Child().dispatch()
        await empty(app)
        await Own().dispatch()
        await empty(app)
    assert log == ["> base", "handle", "< base", "> own", "handle", "< own"]


async def test_a_middleware_that_does_not_go_on_is_a_success_with_its_result(app: AsyncQ) -> None:
    ran: list[int] = []

    async def instead(ctx: JobContext, call_next: Next, /) -> Any:
        return "instead"

    class Wrapped(Job, middleware=[instead], unique=True):
        async def handle(self) -> None:
            ran.append(1)

    heard = Heard(app, JobProcessed)
    async with app, app.worker():
        first = await Wrapped().dispatch()
        await empty(app)
        await heard.until(JobProcessed)
        assert not await failed_jobs(app)
        second = await Wrapped().dispatch()  # the unique key was freed
        await empty(app)
    assert not ran
    assert heard.of(JobProcessed)[0].result == "instead"
    assert second.created
    assert second.id != first.id


async def test_a_middleware_may_change_the_result_and_turn_an_error_into_one(app: AsyncQ) -> None:
    async def saves(ctx: JobContext, call_next: Next, /) -> Any:
        try:
            return f"<{await call_next(ctx)}>"
        except Boom as error:
            return f"saved from {error}"

    class Wrapped(Job, middleware=[saves]):
        fails: bool

        async def handle(self) -> str:
            if self.fails:
                raise Boom("me")
            return "value"

    heard = Heard(app, JobProcessed)
    async with app, app.worker(concurrency=1):
        await app.dispatch_many([Wrapped(fails=False), Wrapped(fails=True)])
        await empty(app)
        await heard.until(JobProcessed, 2)
        assert not await failed_jobs(app)
    assert sorted(event.result for event in heard.of(JobProcessed)) == ["<value>", "saved from me"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (Release(0.01), ["JobReleased", "JobProcessed"]),
        (Fail("no"), ["JobFailed"]),
        (Skip("no need"), ["JobProcessed"]),
    ],
    ids=["Release", "Fail", "Skip"],
)
async def test_a_middleware_may_release_fail_or_skip(
    app: AsyncQ, signal: BaseException, expected: list[str], when: str
) -> None:
    ran: list[int] = []

    async def decides(ctx: JobContext, call_next: Next, /) -> Any:
        if ctx.attempt == 1 and when == "before":
            raise signal
        answer = await call_next(ctx)
        if ctx.attempt == 1:
            raise signal
        return answer

    class Wrapped(Job, tries=2, middleware=[decides]):
        async def handle(self, ctx: JobContext) -> None:
            ran.append(ctx.attempt)

    heard = Heard(app, JobReleased, JobFailed, JobProcessed)
    async with app, app.worker():
        await Wrapped().dispatch()
        await empty(app)
        await heard.until({"JobFailed": JobFailed}.get(expected[-1], JobProcessed))
    assert heard.names == expected
    assert ran == ([] if when == "before" else [1]) + ([2] if isinstance(signal, Release) else [])


async def test_the_timeout_covers_the_middleware(app: AsyncQ) -> None:
    async def hangs(ctx: JobContext, call_next: Next, /) -> Any:
        await anyio.sleep_forever()

    class Wrapped(Job, timeout=0.05, middleware=[hangs]):
        async def handle(self) -> None: ...

    async with app, app.worker():
        await Wrapped().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error.startswith("JobTimeout")


async def test_a_middleware_that_goes_on_twice_runs_the_handler_twice(app: AsyncQ) -> None:
    ran: list[int] = []

    async def twice(ctx: JobContext, call_next: Next, /) -> Any:
        await call_next(ctx)
        return await call_next(ctx)

    class Wrapped(Job, middleware=[twice]):
        async def handle(self) -> None:
            ran.append(1)

    async with app, app.worker():
        await Wrapped().dispatch()
        await empty(app)
    assert ran == [1, 1]


async def test_a_middleware_sees_the_job_its_context_and_the_current_one(app: AsyncQ) -> None:
    seen: list[Any] = []

    async def looks(ctx: JobContext, call_next: Next, /) -> Any:
        assert isinstance(ctx.job, Wrapped)
        seen.append((ctx.job.number, ctx.attempt, ctx.queue, ctx.id, current() is ctx))
        return await call_next(ctx)

    class Wrapped(Job, middleware=[looks]):
        number: int

        async def handle(self) -> None: ...

    async with app, app.worker("mail"):
        handle = await Wrapped(number=7).dispatch(queue="mail")
        await empty(app, "mail")
    assert seen == [(7, 1, "mail", handle.id, True)]


async def test_dispatch_sync_goes_through_the_middleware(url: str) -> None:
    log: list[str] = []

    class Wrapped(Job, middleware=[Notes("class", log)]):
        async def handle(self) -> int:
            log.append("handle")
            return 3

    async with AsyncQ(url, middleware=[Notes("app", log)]):
        assert await Wrapped().dispatch_sync() == 3
    assert log == ["> app", "> class", "handle", "< class", "< app"]
