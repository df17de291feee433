"""What a handle tells: where a job is, what it returned, how far it is."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio
import pytest

from asyncq import AsyncQ, Job, JobContext, JobProgress, job
from asyncq.errors import Fail, JobFailure, ResultNotKept, Skip
from asyncq.retrying import retry_jobs
from tests.behaviour.looking import empty, eventually, until
from tests.behaviour.places import Nap


@dataclass
class Invoice:
    number: int
    due: datetime
    blob: bytes = b""


async def test_a_result_comes_back_with_its_type(app: AsyncQ) -> None:
    due = datetime(2026, 11, 28, 12, tzinfo=UTC)

    class Bills(Job, keep_result=timedelta(minutes=1)):
        number: int

        async def handle(self) -> Invoice:
            return Invoice(self.number, due, b"\xff\x00")

    async with app, app.worker():
        handle = await Bills(number=7).dispatch()
        assert await handle.result(timeout=10) == Invoice(7, due, b"\xff\x00")
        assert await handle.status() == "done"
        assert await handle.result() == Invoice(7, due, b"\xff\x00")


async def test_the_result_of_a_function_and_of_one_that_says_nothing(app: AsyncQ) -> None:
    @job(keep_result=60)
    async def double(number: int) -> int:
        return 2 * number

    class Untyped(Job, keep_result=60):
        async def handle(self):  # type: ignore[no-untyped-def]  # the subject of the test
            return {"a": [1, None, "x"]}

    class Nothing(Job, keep_result=60):
        async def handle(self) -> None: ...

    async with app, app.worker():
        assert await (await double.dispatch(4)).result(timeout=10) == 8
        assert await (await Untyped().dispatch()).result(timeout=10) == {"a": [1, None, "x"]}
        nothing: object = await app.handle((await Nothing().dispatch()).id).result(timeout=10)
        assert nothing is None


async def test_where_a_job_is_from_its_dispatch_to_its_end(app: AsyncQ) -> None:
    go = anyio.Event()

    class Waits(Job):
        async def handle(self) -> None:
            await go.wait()

    class Breaks(Job):
        async def handle(self) -> None:
            raise ValueError("no")

    async with app:
        handle, later, broken = await Waits().dispatch(), await Waits().dispatch(delay=1_000), await Breaks().dispatch()
        assert [await one.status() for one in (handle, later, broken)] == ["queued"] * 3
        async with app.worker():
            await until(handle, "running")
            go.set()
            await until(handle, "done")
            await until(broken, "failed")
            assert await later.status() == "queued"


async def test_a_class_that_keeps_nothing_is_named_with_the_setting_at_once(app: AsyncQ) -> None:
    class Forgets(Job):
        async def handle(self) -> int:
            return 1

    async with app:
        handle = await Forgets().dispatch()
        with pytest.raises(ResultNotKept, match=r"results of .*Forgets are not kept; write keep_result=60"):
            await handle.result()


async def test_a_job_that_failed_or_was_skipped_answers_who_waits(app: AsyncQ) -> None:
    class Breaks(Job, keep_result=60):
        async def handle(self) -> int:
            raise Fail("out of paper")

    class Skips(Job, keep_result=60):
        async def handle(self) -> int:
            raise Skip

    async with app, app.worker():
        with pytest.raises(JobFailure, match="failed: ManuallyFailed: out of paper"):
            await (await Breaks().dispatch()).result(timeout=10)
        assert await (await Skips().dispatch()).result(timeout=10) is None


async def test_the_wait_for_a_result_ends_with_its_timeout(app: AsyncQ) -> None:
    class Waits(Job, keep_result=60):
        async def handle(self) -> None: ...

    async with app:
        handle = await Waits().dispatch()
        with pytest.raises(TimeoutError, match=r"did not end within 0\.05 s"):
            await handle.result(timeout=0.05)


async def test_who_waits_for_a_job_that_was_cleared_is_told(app: AsyncQ) -> None:
    class Waits(Job, keep_result=60):
        async def handle(self) -> None: ...

    async with app:
        handle = app.handle("never-was", Waits)
        with pytest.raises(ResultNotKept, match="neither waiting nor running"):
            await handle.result(timeout=5)
        with pytest.raises(ResultNotKept, match="nothing is known of job 'never-was'"):
            await handle.status()


async def test_a_result_that_cannot_be_kept_is_lost_and_the_job_is_done(
    app: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    class Lies(Job, keep_result=60):
        async def handle(self) -> int:
            return "three"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # the subject of the test

    async with app, app.worker():
        handle = await Lies().dispatch()
        with (
            caplog.at_level(logging.ERROR, "asyncq.job"),
            pytest.raises(ResultNotKept, match=r"is done, but the result of .*Lies cannot be kept"),
        ):
            await handle.result(timeout=10)
        assert await handle.status() == "done"
    assert "its result is lost" in caplog.text


async def test_a_retried_job_is_waited_for_again(app: AsyncQ) -> None:
    broken = [True]

    class Heals(Job, keep_result=60):
        async def handle(self) -> str:
            if broken:
                raise ValueError("no")
            return "healed"

    async with app, app.worker():
        handle = await Heals().dispatch()
        with pytest.raises(JobFailure):
            await handle.result(timeout=10)
        await until(handle, "failed")
        broken.clear()
        engine = await app.engine()
        store = engine.failed_store(app.default)
        assert store is not None
        with anyio.fail_after(10):
            while not await store.get([handle.id]):  # noqa: ASYNC110 - on a cluster the record comes a little later
                await anyio.sleep(0.01)
        await retry_jobs(engine, [handle.id])
        assert await handle.result(timeout=10) == "healed"


async def test_a_handle_made_from_an_id_tells_the_same(app: AsyncQ) -> None:
    class Adds(Job, keep_result=60):
        a: int

        async def handle(self) -> int:
            return self.a + 1

    @job(keep_result=60)
    async def times(a: int) -> int:
        return 2 * a

    async with app, app.worker():
        first, second = await Adds(a=1).dispatch(), await times.dispatch(4)
        number: int = await app.handle(first.id, Adds).result(timeout=10)
        assert number == 2
        other: int = await app.handle(second.id, times).result(timeout=10)
        assert other == 8
        assert await app.handle(first.id).result(timeout=10) == 2
        assert await app.handle(first.id).status() == "done"


async def test_a_unique_duplicate_waits_for_the_job_that_is_there(app: AsyncQ) -> None:
    class Once(Job, unique=True, keep_result=60):
        async def handle(self) -> str:
            return "one"

    async with app:
        first, second = await Once().dispatch(), await Once().dispatch()
        assert (first.created, second.created, first.id == second.id) == (True, False, True)
        async with app.worker():
            assert await second.result(timeout=10) == "one"


# --- progress ---------------------------------------------------------------------------------------------------------


async def test_progress_is_seen_by_who_watches_until_the_end(app: AsyncQ) -> None:
    told, go = anyio.Event(), anyio.Event()
    seen: list[JobProgress] = []

    class Steps(Job, keep_result=60):
        async def handle(self, ctx: JobContext) -> None:
            await ctx.progress(3, 10)
            told.set()
            await go.wait()
            await ctx.progress(10, 10)

    async with app:
        handle = await Steps().dispatch()
        with anyio.fail_after(20):
            async with app.worker():
                await told.wait()
                async for progress in handle.watch():
                    seen.append(progress)
                    go.set()
    assert seen[0] == JobProgress("running", 3, 10)
    assert seen[0].fraction == 0.3
    assert seen[-1] == JobProgress("done", 10, 10)
    assert seen[-1].fraction == 1.0


async def test_much_progress_is_written_seldom_and_the_last_word_always(
    app: AsyncQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Counts(Job, keep_result=60):
        async def handle(self, ctx: JobContext) -> None:
            for number in range(1, 1_001):
                await ctx.progress(number, 1_000)

    writes: list[str] = []
    async with app:
        signals = (await app.engine()).driver(app.default).stores.signals
        assert signals is not None
        put = signals.put

        async def counted(name: str, value: bytes, /, *, ttl: float | None = None) -> None:
            writes.append(name)
            await put(name, value, ttl=ttl)

        def recorded(store: object, name: str, value: bytes, /, *, ttl: float | None = None) -> Awaitable[None]:
            return counted(name, value, ttl=ttl)

        monkeypatch.setattr(type(signals), "put", recorded)
        async with app.worker():
            handle = await Counts().dispatch()
            await handle.result(timeout=20)
        assert [item async for item in handle.watch()] == [JobProgress("done", 1_000, 1_000)]
    assert 2 <= len([name for name in writes if name.startswith("progress:")]) < 500


async def test_a_job_in_a_process_has_nobody_to_tell_its_progress() -> None:
    app = AsyncQ("memory://")
    async with app, app.worker():
        handle = await Nap(seconds=0, note="x").dispatch()
        await empty(app, within=15)
        assert await handle.status() == "done"


async def test_several_may_wait_for_one_result(app: AsyncQ) -> None:
    got: list[int] = []
    go = anyio.Event()

    class Answers(Job, keep_result=60):
        async def handle(self) -> int:
            await go.wait()
            return 42

    async with app, app.worker():
        handle = await Answers().dispatch()

        async def wait() -> None:
            got.append(await handle.result(timeout=10))

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(wait)
            await until(handle, "running")
            go.set()
        await eventually(lambda: got == [42, 42, 42])


async def test_a_job_that_ran_where_it_was_dispatched_is_done() -> None:
    class Here(Job, keep_result=60):
        number: int

        async def handle(self) -> int:
            return 2 * self.number

    class Quiet(Job):
        async def handle(self) -> None: ...

    async with AsyncQ("sync://"):
        handle, quiet = await Here(number=4).dispatch(), await Quiet().dispatch()
        assert await handle.result(timeout=5) == 8
        assert [await one.status() for one in (handle, quiet)] == ["done", "done"]
        assert [await one.cancel() for one in (handle, quiet)] == [False, False]


async def test_a_job_that_was_discarded_gives_no_result() -> None:
    class Gone(Job, keep_result=60):
        async def handle(self) -> int:
            return 1

    async with AsyncQ("null://"):
        handle = await Gone().dispatch()
        with pytest.raises(ResultNotKept, match="neither waiting nor running"):
            await handle.result(timeout=5)
        assert await handle.cancel() is False


async def test_what_runs_here_and_now_keeps_nothing(caplog: pytest.LogCaptureFixture) -> None:
    unwritable = object()

    class Here(Job, keep_result=60):
        async def handle(self) -> object:
            return unwritable

    async with AsyncQ("memory://"):
        assert await Here().dispatch_sync() is unwritable
    assert caplog.text == "", "no result is lost where none is kept"
