"""Hooks and constructors of a job that do their worst, and what an embedded worker cannot contain."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from asyncq import AsyncQ, Job, JobContext
from asyncq.events import JobReleasedAfterException
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs, size_of

HOSTILE = [ValueError, SystemExit, KeyboardInterrupt, asyncio.CancelledError, StopIteration, GeneratorExit]
hostile = pytest.mark.parametrize("error", HOSTILE, ids=lambda error: error.__name__)


class Boom(Exception):
    pass


class Innocent(Job):
    async def handle(self) -> None:
        await anyio.lowlevel.checkpoint()


@hostile
@pytest.mark.parametrize("place", ["async", "sync"])
async def test_a_failed_hook_may_raise_what_it_likes(
    error: type[BaseException], place: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Async(Job):
        async def handle(self) -> None:
            raise Boom

        async def failed(self, error_of_job: BaseException, /) -> None:
            raise error("hook")

    class Sync(Job):
        async def handle(self) -> None:
            raise Boom

        def failed(self, error_of_job: BaseException, /) -> None:
            raise error("hook")

    app = AsyncQ("memory://")
    async with app, app.worker(concurrency=2):
        await app.dispatch_many([Async() if place == "async" else Sync(), Innocent()])
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error == "Boom"
    assert "failed() of" in caplog.text


@hostile
async def test_a_backoff_method_may_raise_what_it_likes(error: type[BaseException]) -> None:
    class Fails(Job, tries=2, backoff=0.01):
        async def handle(self) -> None:
            raise Boom

        def backoff(self, attempt: int, error_of_job: BaseException) -> float:
            raise error("backoff")

    app = AsyncQ("memory://")
    heard = Heard(app, JobReleasedAfterException)
    async with app, app.worker(concurrency=2):
        await app.dispatch_many([Fails(), Innocent()])
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error == "Boom"
    assert [event.delay for event in heard.of(JobReleasedAfterException)] == [0.01]


@pytest.mark.parametrize("answer", [None, "soon", float("nan"), [1], True], ids=str)
async def test_a_backoff_method_that_answers_nonsense_leaves_the_setting(answer: object) -> None:
    class Fails(Job, tries=2, backoff=0.01):
        async def handle(self) -> None:
            raise Boom

        def backoff(self, attempt: int, error: BaseException) -> object:
            return answer

    app = AsyncQ("memory://")
    heard = Heard(app, JobReleasedAfterException)
    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
    assert [event.delay for event in heard.of(JobReleasedAfterException)] == [0.01]


@hostile
async def test_a_job_whose_making_raises_in_the_worker_fails_by_itself(error: type[BaseException], app: AsyncQ) -> None:
    armed: list[bool] = []

    class Explodes(Job):
        def __post_init__(self) -> None:
            if armed:
                raise error("made")

        async def handle(self) -> None: ...

    async with app:
        await app.dispatch_many([Explodes(), Innocent()])
        armed.append(True)
        async with app.worker(concurrency=2):
            await empty(app)
            [record] = await failed_jobs(app)
    assert record.name.endswith("Explodes")


@hostile
@pytest.mark.parametrize("place", ["async", "sync"])
async def test_an_interrupted_hook_may_raise_what_it_likes(
    error: type[BaseException], place: str, caplog: pytest.LogCaptureFixture
) -> None:
    started = anyio.Event()

    class Async(Job):
        async def handle(self) -> None:
            started.set()
            await anyio.sleep_forever()

        async def interrupted(self, reason: str, /) -> None:
            raise error("hook")

    class Sync(Job):
        async def handle(self) -> None:
            started.set()
            await anyio.sleep_forever()

        def interrupted(self, reason: str, /) -> None:
            raise error("hook")

    app = AsyncQ("memory://")
    caplog.set_level(logging.ERROR)
    async with app:
        async with app.worker(grace=0):
            await (Async() if place == "async" else Sync()).dispatch()
            await started.wait()
        assert (await size_of(app)).ready == 1


@pytest.mark.parametrize("how", ["task", "anyio", "asyncio"])
async def test_what_a_child_task_raises_as_an_exception_is_an_attempt_of_its_job(app: AsyncQ, how: str) -> None:
    async def child() -> None:
        raise Boom("child")

    class Parent(Job):
        async def handle(self) -> None:
            if how == "task":
                await asyncio.create_task(child())
            elif how == "anyio":
                async with anyio.create_task_group() as group:
                    group.start_soon(child)
            else:
                async with asyncio.TaskGroup() as native:
                    native.create_task(child())

    async with app, app.worker():
        await app.dispatch_many([Parent(), Innocent()])
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error == "Boom: child"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_system_exit_in_a_child_task_ends_the_loop_of_the_host_and_its_job_comes_back(tmp_path: Path) -> None:
    """asyncio lets it leave `run_forever`; an embedded worker does not own the loop. `asyncq work` goes on."""
    url = f"sqlite:///{tmp_path / 'queue.db'}?lease=1"
    attempts: list[int] = []

    class Rebel(Job, tries=2):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            if len(attempts) == 1:
                await asyncio.create_task(leave())

    async def leave() -> None:
        raise SystemExit(3)

    async def host() -> None:
        async with (app := AsyncQ(url)), app.worker():
            await Rebel().dispatch()
            await anyio.sleep_forever()

    async def second_life() -> None:
        async with (app := AsyncQ(url)), app.worker():
            await empty(app)
            assert not await failed_jobs(app)

    with pytest.raises(SystemExit):
        asyncio.run(host())
    asyncio.run(second_life())
    assert len(attempts) == 2


async def test_a_handler_that_starts_threads_and_tasks_that_raise_harms_nobody(
    app: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    left: list[asyncio.Task[None]] = []

    async def late() -> None:
        await anyio.lowlevel.checkpoint()
        raise Boom("late")

    class Litters(Job):
        async def handle(self) -> None:
            left.append(asyncio.create_task(late()))

    async with app, app.worker():
        await app.dispatch_many([Litters(), Innocent()])
        await empty(app)
        await eventually(lambda: all(task.done() for task in left))
        assert not await failed_jobs(app)
    assert [str(task.exception()) for task in left] == ["late"]
