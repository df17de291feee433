"""`complete(tx=…)`: a job ends inside its handler's own transaction, so that its effects there are had exactly once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

import asyncq
from asyncq import AsyncQ, Job, JobContext
from asyncq.contracts import Findable
from asyncq.errors import ConfigError, LeaseLost, NotSupported, WrongType
from asyncq.events import JobAttempted, JobFailed, JobInterrupted, JobProcessed, JobReleasedAfterException
from asyncq.payload import Done, Settlement
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs, size_of
from tests.support.databases import WAYS, Way, way_on
from tests.support.shared import Shared


class Oops(Exception):
    pass


@pytest.fixture(params=sorted(WAYS))
async def way(
    request: pytest.FixtureRequest, tmp_path: Path, servers: Shared, no_other_app: None
) -> AsyncIterator[Way]:
    way = way_on(request.param, tmp_path, servers)
    async with way.open():
        yield way


def worries(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was said about runs; what a worker says of classes of other tests at its start is none of it."""
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    return [text for text in said if not text.startswith("jobs of a class will fail")]


async def test_the_end_is_committed_with_the_effects(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    class Charge(Job, keep_result=60):
        name: str

        async def handle(self, ctx: JobContext) -> str:
            async with way.transaction() as tx:
                await tx.write(self.name)
                await ctx.complete(tx=tx.given, result=f"charged {self.name}")
            return "not this"

    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed, JobAttempted, JobFailed)
        handle = await Charge(name="Ada").dispatch()
        assert await handle.result(timeout=10) == "charged Ada"
        await heard.until(JobAttempted)
        assert (await size_of(app)).total == 0
    assert await way.names() == ["Ada"]
    assert heard.names == ["JobProcessed", "JobAttempted"]
    assert heard.of(JobProcessed)[0].result == "charged Ada"
    assert worries(caplog) == []


async def test_the_short_way_is_the_same(way: Way) -> None:
    class Charge(Job):
        async def handle(self) -> None:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await asyncq.complete(tx=tx.given)

    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed)
        await Charge().dispatch()
        await heard.until(JobProcessed)
    assert await way.names() == ["Ada"]


async def test_without_listeners_it_ends_as_quietly(way: Way, caplog: pytest.LogCaptureFixture) -> None:
    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given)

    async with AsyncQ(way.url) as app, app.worker():
        await Charge().dispatch()
        await empty(app)
    assert await way.names() == ["Ada"]
    assert worries(caplog) == []


async def test_what_is_rolled_back_is_tried_again_as_always(way: Way) -> None:
    class Charge(Job, tries=2, backoff=0.01):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await tx.write(f"attempt {ctx.attempt}")
                await ctx.complete(tx=tx.given)
                if ctx.attempt == 1:
                    raise Oops

    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed, JobReleasedAfterException)
        await Charge().dispatch()
        await heard.until(JobProcessed)
        await empty(app)
    assert heard.names == ["JobReleasedAfterException", "JobProcessed"]
    assert await way.names() == ["attempt 2"]


async def test_a_rollback_that_the_handler_swallows_leaves_a_job_that_is_done(way: Way) -> None:
    class Charge(Job, keep_result=60):
        async def handle(self, ctx: JobContext) -> str:
            with pytest.raises(Oops):
                async with way.transaction() as tx:
                    await tx.write("gone")
                    await ctx.complete(tx=tx.given, result="in vain")
                    raise Oops
            return "without it"

    async with AsyncQ(way.url) as app, app.worker():
        handle = await Charge().dispatch()
        assert await handle.result(timeout=10) == "without it"
    assert await way.names() == []


async def test_after_a_rollback_it_may_be_completed_in_another_transaction(way: Way) -> None:
    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            for number in range(3):
                try:
                    async with way.transaction() as tx:
                        await tx.write(f"try {number}")
                        await ctx.complete(tx=tx.given)
                        if number < 2:
                            raise Oops
                except Oops:
                    continue

    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed)
        await Charge().dispatch()
        await heard.until(JobProcessed)
    assert await way.names() == ["try 2"]


ENDS: dict[str, Callable[[JobContext], Any]] = {
    "an error": lambda ctx: _raise(Oops()),
    "a release": lambda ctx: ctx.release(5),
    "a failure": lambda ctx: ctx.fail("no"),
}


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("end", ENDS)
async def test_what_comes_after_the_commit_is_too_late(way: Way, end: str, caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    class Charge(Job, tries=3, keep_result=60):
        async def handle(self, ctx: JobContext) -> Any:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given, result="done")
            ENDS[end](ctx)

        async def failed(self, error: BaseException, /) -> None:
            told.append("failed")

    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed, JobAttempted, JobFailed, JobReleasedAfterException)
        handle = await Charge().dispatch()
        assert await handle.result(timeout=10) == "done"
        await heard.until(JobAttempted)
        assert not await failed_jobs(app)
        assert (await size_of(app)).total == 0
    assert heard.names == ["JobProcessed", "JobAttempted"]
    assert told == []
    assert await way.names() == ["Ada"]
    assert "is done, and then it did not end well" in caplog.text


async def test_a_timeout_after_the_commit_is_too_late(way: Way) -> None:
    class Charge(Job, timeout=1.0):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given)
            await anyio.sleep_forever()

    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed, JobFailed)
        await Charge().dispatch()
        await heard.until(JobProcessed)
        assert not await failed_jobs(app)


async def test_a_worker_that_stops_after_the_commit_hands_nothing_back(way: Way) -> None:
    committed = anyio.Event()

    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given)
            committed.set()
            await anyio.sleep_forever()

    async with AsyncQ(way.url) as app:
        heard = Heard(app, JobProcessed, JobInterrupted)
        async with app.worker(grace=0.1):
            await Charge().dispatch()
            with anyio.fail_after(10):
                await committed.wait()
        assert (await size_of(app)).total == 0
    assert heard.names == ["JobProcessed"]


async def test_a_lease_that_was_lost_takes_the_transaction_with_it(way: Way) -> None:
    caught: list[BaseException] = []

    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            driver = (await app.engine()).driver("default")
            # As if the lease had run out meanwhile, and another worker had taken the job and done it.
            await driver.settle([Settlement(ctx.reservation, Done())])
            try:
                async with way.transaction() as tx:
                    await tx.write("twice")
                    await ctx.complete(tx=tx.given)
            except LeaseLost as error:
                caught.append(error)
                raise

    async with AsyncQ(way.url) as app, app.worker():
        await Charge().dispatch()
        await eventually(lambda: bool(caught), within=10)
    assert "let this error leave" in str(caught[0])
    assert await way.names() == []


async def test_it_is_completed_once(way: Way) -> None:
    caught: list[BaseException] = []

    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given)
                try:
                    await ctx.complete(tx=tx.given)
                except LeaseLost as error:
                    caught.append(error)

    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed)
        await Charge().dispatch()
        await heard.until(JobProcessed)
    assert len(caught) == 1
    assert await way.names() == ["Ada"]


async def test_the_leases_of_the_others_are_kept_while_the_transaction_is_open(way: Way) -> None:
    """Longer than their lease: what would renew them must not wait for the transaction."""
    starts: list[str] = []
    over = anyio.Event()

    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            starts.append("charge")
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given)
                await anyio.sleep(2.5)  # what is tested is the time itself
            over.set()

    class Beside(Job):
        async def handle(self) -> None:
            starts.append("beside")
            await over.wait()

    async with AsyncQ(f"{way.url}&lease=1.5") as app, app.worker(concurrency=2):
        await Beside().dispatch()
        await eventually(lambda: starts == ["beside"])
        await Charge().dispatch()
        await empty(app, within=20)
    assert sorted(starts) == ["beside", "charge"]


async def test_dispatches_in_the_same_transaction_go_along(way: Way) -> None:
    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await Receipt().dispatch(tx=tx.given)
                await ctx.complete(tx=tx.given)

    class Receipt(Job):
        async def handle(self) -> None:
            receipts.append("sent")

    receipts: list[str] = []
    async with AsyncQ(way.url) as app, app.worker():
        await Charge().dispatch()
        await eventually(lambda: receipts == ["sent"], within=10)
        await empty(app)


async def test_a_unique_key_is_freed_with_the_commit(way: Way) -> None:
    class Charge(Job, unique=True):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await ctx.complete(tx=tx.given)
            created.append((await Charge().dispatch(delay=60)).created)

    created: list[bool] = []
    async with AsyncQ(way.url) as app, app.worker():
        await Charge().dispatch()
        await eventually(lambda: created == [True], within=10)


async def test_a_job_of_a_connection_elsewhere_cannot_be_completed_here(way: Way, tmp_path: Path) -> None:
    caught: list[BaseException] = []

    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                try:
                    await ctx.complete(tx=tx.given)
                except ConfigError as error:
                    caught.append(error)

    async with AsyncQ(f"sqlite:///{tmp_path}/elsewhere.db") as app, app.worker():
        await Charge().dispatch()
        await empty(app)
    assert "only in the database where its connection 'default' has its tables" in str(caught[0])


async def test_what_is_no_transaction_is_refused(tmp_path: Path, no_other_app: None) -> None:
    caught: list[BaseException] = []

    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            try:
                await ctx.complete(tx=object())
            except WrongType as error:
                caught.append(error)

    async with AsyncQ(f"sqlite:///{tmp_path}/q.db") as app, app.worker():
        await Charge().dispatch()
        await empty(app)
    assert str(caught[0]).startswith("complete(tx=…) takes a SQLAlchemy AsyncSession")


class LeftOpen:
    """A transaction that outlives its handler, in a task of its own."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.runs = 0
        self.over = anyio.Event()
        self.error: Exception | None = None
        self._task: asyncio.Task[None] | None = None

    async def begin(self, ctx: JobContext) -> None:
        self.runs += 1
        written = anyio.Event()
        self._task = asyncio.create_task(self._run(ctx, written))
        await written.wait()

    async def _run(self, ctx: JobContext, written: anyio.Event) -> None:
        with suppress(Oops):
            async with self._way.transaction() as tx:
                await tx.write(f"run {self.runs}")
                await ctx.complete(tx=tx.given)
                written.set()
                await self.over.wait()
                if self.error:
                    raise self.error

    async def end(self) -> None:
        self.over.set()
        assert self._task is not None
        await self._task


@pytest.fixture
def left(way: Way) -> LeftOpen:
    if way.url.startswith("sqlite"):
        pytest.skip("there is one transaction that writes at a time, for which all jobs wait")
    return LeftOpen(way)


@pytest.mark.parametrize("error", [None, Oops()])
async def test_a_transaction_that_outlives_its_handler_is_waited_for_and_keeps_no_other_job(
    way: Way, left: LeftOpen, error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    class Left(Job):
        async def handle(self, ctx: JobContext) -> None:
            await left.begin(ctx)

    class Other(Job):
        async def handle(self) -> None: ...

    left.error = error
    async with AsyncQ(way.url) as app, app.worker():
        heard = Heard(app, JobProcessed)
        await Left().dispatch()
        await eventually(lambda: "is not over, though its handler is" in caplog.text)
        await app.dispatch_many([Other() for _ in range(20)])
        await eventually(lambda: len(heard.events) == 20)
        await left.end()
        await eventually(lambda: len(heard.events) == 21)
        await empty(app)
    assert await way.names() == ([] if error else ["run 1"])
    assert left.runs == 1


async def test_a_transaction_that_outlives_its_lease_decides_alone(
    way: Way, left: LeftOpen, caplog: pytest.LogCaptureFixture
) -> None:
    class Left(Job):
        async def handle(self, ctx: JobContext) -> None:
            await left.begin(ctx)

    left.error = Oops()
    async with AsyncQ(f"{way.url}&lease=1") as app, app.worker():
        heard = Heard(app, JobProcessed)
        await Left().dispatch()
        await eventually(lambda: "the transaction that ends it stayed open, and decides" in caplog.text)
        await left.end()
        left.error = None
        await eventually(lambda: left.runs == 2)  # it was rolled back, so somebody takes the job again
        await left.end()
        await eventually(lambda: len(heard.events) == 1)
        await empty(app)
    assert await way.names() == ["run 2"]


class InProcess(Job, run_in="process"):
    def handle(self, ctx: JobContext) -> None:
        anyio.run(_complete, ctx)


async def _complete(ctx: JobContext) -> None:
    await ctx.complete(tx=object())


async def test_a_handler_in_a_process_of_its_own_is_refused(tmp_path: Path, no_other_app: None) -> None:
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db") as app, app.worker():
        heard = Heard(app, JobFailed)
        await InProcess().dispatch()
        await eventually(lambda: bool(heard.events), within=30)  # a process starts
    assert isinstance(heard.of(JobFailed)[0].error, NotSupported)


async def test_where_no_broker_waits_there_is_nothing_to_write(way: Way) -> None:
    class Charge(Job):
        async def handle(self, ctx: JobContext) -> str:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given, result="other")
            return "this"

    async with AsyncQ(way.url):
        assert await Charge().dispatch_sync() == "this"
    async with asyncq.fake() as queue:
        await Charge().dispatch()
        (outcome,) = await queue.run()
        assert outcome.done
    outcome = await asyncq.testing.run(Charge())
    assert outcome.done
    assert await way.names() == ["Ada"] * 3


async def test_effects_are_had_once_though_the_worker_dies_right_after_the_commit(way: Way) -> None:
    """The row is gone with the commit, so that nobody can run the job again."""
    committed = anyio.Event()

    class Charge(Job):
        async def handle(self, ctx: JobContext) -> None:
            async with way.transaction() as tx:
                await tx.write("Ada")
                await ctx.complete(tx=tx.given)
            driver = (await app.engine()).driver("default")
            assert isinstance(driver, Findable)
            assert not await driver.find([ctx.id])
            committed.set()

    async with AsyncQ(way.url) as app, app.worker():
        await Charge().dispatch()
        with anyio.fail_after(10):
            await committed.wait()
