"""`background://` and `deferred://`: jobs of this process that nobody waits for, as connections."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import anyio
import pytest

from asyncq import AsyncQ, Connection, Job, JobContext, JobHandle, blocking, dispatch_many, job
from asyncq.errors import DriverError, JobCancelled, JobFailure, NotOpen, NotSupported, ResultNotKept
from asyncq.events import JobCancelled as JobCancelledEvent
from asyncq.events import JobFailed, JobProcessed, JobQueued
from asyncq.retrying import retry_jobs
from tests.behaviour.looking import Heard, eventually, until
from tests.behaviour.webs import FRAMEWORKS, ask

notes: list[str] = []
both = pytest.mark.parametrize("scheme", ["background", "deferred"])


class Boom(Exception):
    pass


class Note(Job):
    text: str

    async def handle(self) -> None:
        notes.append(self.text)


class Doubles(Job, keep_result=60):
    number: int

    async def handle(self) -> int:
        if self.number < 0:
            raise Boom("negative")
        return 2 * self.number


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    notes.clear()


@pytest.fixture
def deferred() -> AsyncQ:
    """An app that nobody has opened."""
    return AsyncQ("deferred://")


@both
async def test_a_dispatch_returns_while_its_job_runs_and_the_app_waits_for_it(scheme: str) -> None:
    go = anyio.Event()

    class Waits(Job):
        async def handle(self) -> None:
            await go.wait()
            notes.append("ended")

    async with AsyncQ(f"{scheme}://"):
        assert (await Waits().dispatch()).created
        assert notes == []
        go.set()
    assert notes == ["ended"]


@both
async def test_the_jobs_of_one_push_run_in_their_order_and_those_of_two_beside_one_another(scheme: str) -> None:
    go = anyio.Event()

    class Waits(Job):
        async def handle(self) -> None:
            await go.wait()

    async with AsyncQ(f"{scheme}://"):
        await dispatch_many([Waits(), Note(text="behind")])
        await dispatch_many([Note(text="a"), Note(text="b")])
        await eventually(lambda: notes == ["a", "b"])
        go.set()
    assert notes == ["a", "b", "behind"]


@both
async def test_an_error_reaches_log_events_failed_and_whoever_waits_for_the_result(
    scheme: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    class Fails(Job, tries=5, keep_result=60):
        async def handle(self) -> None:
            notes.append("attempt")
            raise Boom("here")

        async def failed(self, error: BaseException, /) -> None:
            told.append(str(error))

    async with AsyncQ(f"{scheme}://") as app:
        heard = Heard(app, JobQueued, JobFailed)
        handle = await Fails().dispatch()
        with pytest.raises(JobFailure, match="Boom: here"):
            await handle.result(timeout=10)
        await heard.until(JobFailed)
        assert await handle.status() == "failed"
    assert (notes, told) == (["attempt"], ["here"])
    assert heard.names == ["JobQueued", "JobFailed"]
    assert "failed for good in attempt 1: Boom: here" in caplog.text


@both
async def test_a_handle_tells_where_the_job_is_and_what_it_returned(scheme: str) -> None:
    go = anyio.Event()

    class Waits(Job, keep_result=60):
        async def handle(self, ctx: JobContext) -> str:
            await ctx.progress(1, 2)
            await go.wait()
            return "done"

    async with AsyncQ(f"{scheme}://"):
        handle, behind = await dispatch_many([Waits(), Doubles(number=4)])
        await until(handle, "running")
        assert await behind.status() == "queued"
        assert (await anext(handle.watch())).fraction == 0.5
        with pytest.raises(TimeoutError):
            await behind.result(timeout=0.02)
        go.set()
        assert await handle.result(timeout=10) == "done"
        assert await behind.result(timeout=10) == 8
        assert await behind.status() == "done"
        quiet = await Note(text="").dispatch()
        await until(quiet, "done")
        with pytest.raises(ResultNotKept):
            await quiet.result(timeout=10)


@both
async def test_a_job_is_cancelled_whether_it_waits_runs_or_waits_again(scheme: str) -> None:
    class Waits(Job, keep_result=60):
        async def handle(self) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                notes.append("cancelled")

    class Again(Job, keep_result=60):
        async def handle(self, ctx: JobContext) -> None:
            ctx.release(60)

    async with AsyncQ(f"{scheme}://") as app:
        heard = Heard(app)
        handle, behind, last = await dispatch_many([Waits(), Doubles(number=4), Note(text="last")])
        await until(handle, "running")
        assert await behind.cancel()
        assert await handle.cancel()
        for one in (handle, behind):
            with pytest.raises(JobCancelled):
                await one.result(timeout=10)
        await until(last, "done")
        again = await Again().dispatch()
        await eventually(lambda: "JobReleased" in heard.names)
        assert await again.status() == "queued"
        assert await again.cancel()
        await until(again, "cancelled")
        assert not await last.cancel()
    assert notes == ["cancelled", "last"]
    assert len(heard.of(JobCancelledEvent)) == 3
    assert [one.reason for one in heard.of(JobCancelledEvent)] == ["user"] * 3


async def test_a_failure_is_kept_where_the_app_keeps_failed_jobs_elsewhere(tmp_path: Path) -> None:
    app = AsyncQ("background://", failed=f"sqlite:///{tmp_path / 'failed.db'}")
    heard = Heard(app, JobFailed)
    async with app:
        handle = await Doubles(number=-1).dispatch()
        await heard.until(JobFailed)
        engine = await app.engine()
        store = engine.failed_store("default")
        assert store is not None
        (record,) = (await store.page()).items
        assert (record.id, record.error, record.connection) == (handle.id, "Boom: negative", "default")
        with pytest.raises(NotSupported, match="runs jobs where they are dispatched, so that a retry would lose it"):
            await retry_jobs(engine, [handle.id])


@both
async def test_a_failure_is_not_kept_where_it_would_only_fill_the_memory(scheme: str) -> None:
    async with AsyncQ(f"{scheme}://") as app:
        heard = Heard(app, JobFailed)
        await Doubles(number=-1).dispatch()
        await heard.until(JobFailed)
        store = (await app.engine()).failed_store("default")
        assert store is None or (await store.page()).total == 0


async def test_a_deferred_job_waits_for_the_response_in_line_with_those_of_dispatch_after_response() -> None:
    handles: list[JobHandle[int]] = []

    async def endpoint() -> str:
        await Note(text="a").dispatch()
        await Note(text="b").dispatch_after_response()
        handles.append(await Doubles(number=1).dispatch())
        notes.append(await handles[0].status())
        return ""

    app = FRAMEWORKS["starlette"].make({"/": endpoint})
    async with AsyncQ("deferred://"):
        await ask(app, notes=notes)
        assert await handles[0].result(timeout=10) == 2
    assert [text for text in notes if text != "asked"] == ["queued", "start", "last", "over", "a", "b"]


async def test_a_deferred_job_that_is_cancelled_before_the_response_has_gone_out_does_not_run() -> None:
    async def endpoint() -> str:
        handle = await Note(text="job").dispatch()
        assert await handle.cancel()
        assert await handle.status() == "cancelled"
        return ""

    async with AsyncQ("deferred://") as queue:
        assert (await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))).status == 200
        assert not (await queue.engine()).aside.lines
    assert notes == []


async def test_a_deferred_job_of_a_thread_waits_for_the_response_too(deferred: AsyncQ) -> None:
    def endpoint() -> str:
        blocking.dispatch(Note(text="job"))
        return ""

    app = FRAMEWORKS["fastapi"].make({"/": endpoint})
    await ask(app, notes=notes)  # the dispatch opens the app, in the loop of the server
    await eventually(lambda: "job" in notes)
    assert notes[-2:] == ["over", "job"]


async def test_in_a_loop_of_a_thread_a_deferred_job_runs_at_once_and_one_for_the_response_is_refused(
    deferred: AsyncQ,
) -> None:
    async def dispatch() -> None:
        with pytest.raises(NotOpen, match=r"in a loop of a thread; use asyncq\.blocking there"):
            await Note(text="job").dispatch_after_response()
        async with deferred:
            await Note(text="job").dispatch()

    def endpoint() -> str:
        asyncio.run(dispatch())
        return ""

    await ask(FRAMEWORKS["fastapi"].make({"/": endpoint}), notes=notes)
    assert [text for text in notes if text != "asked"] == ["job", "start", "last", "over"]


async def test_a_deferred_job_is_dropped_where_the_request_was_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def endpoint() -> str:
        await Note(text="job").dispatch()
        raise Boom

    async with AsyncQ("deferred://"):
        await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))
    assert notes == []
    assert "is dropped: the request that dispatched it was not answered" in caplog.text


async def test_a_background_job_does_not_wait_for_the_response() -> None:
    async def endpoint() -> str:
        await Note(text="job").dispatch()
        await eventually(lambda: notes == ["job"])
        return ""

    async with AsyncQ("background://"):
        assert (await ask(FRAMEWORKS["starlette"].make({"/": endpoint}))).status == 200


async def test_a_job_in_the_background_dispatches_others_even_while_the_app_closes() -> None:
    class First(Job):
        async def handle(self, ctx: JobContext) -> None:
            await ctx.stopping.wait()
            await Note(text="second").dispatch()

    async with AsyncQ("background://"):
        await First().dispatch()
    assert notes == ["second"]


async def test_a_connection_has_a_grace_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    class Waits(Job):
        async def handle(self) -> None:
            await anyio.sleep_forever()

    async with AsyncQ(Connection("background://", grace=0.05)):
        await Waits().dispatch()
        await anyio.sleep(0.01)
    assert "is lost: it did not end before its app closed" in caplog.text


async def test_what_the_end_of_the_app_dispatches_is_refused() -> None:
    refused: list[str] = []

    class Leaves:
        async def __aenter__(self) -> None: ...

        async def __aexit__(self, *exc: object) -> None:
            with pytest.raises(NotOpen, match="its app is closing") as caught:
                await Note(text="late").dispatch()
            refused.append(str(caught.value))

    async with AsyncQ("background://", lifespan=lambda app: Leaves()):
        pass
    assert len(refused) == 1


async def test_blocking_handlers_run_in_threads_and_jobs_in_the_context_of_their_dispatch() -> None:
    @job
    def where() -> None:
        notes.append(str(threading.get_ident() == main))

    main = threading.get_ident()
    async with AsyncQ("background://"):
        await where.dispatch()
    assert notes == ["False"]


async def test_a_result_that_cannot_be_written_is_said_and_stops_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(result: object) -> None:
        raise DriverError("no room")

    async with AsyncQ("background://") as app:
        monkeypatch.setattr((await app.engine()).driver("default").stores.results, "put", refuse)
        heard = Heard(app, JobProcessed)
        await dispatch_many([Doubles(number=1), Note(text="next")])
        await heard.until(JobProcessed, 2)
    assert notes == ["next"]
    assert "ended, but what is kept of it was not written: no room" in caplog.text
