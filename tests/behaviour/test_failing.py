"""What happens when a job has failed for good."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from asyncq import AsyncQ, Connection, Job, JobContext, field
from asyncq.events import JobFailed
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs


class Boom(Exception):
    pass


async def test_the_record_holds_all_that_a_retry_needs(app: AsyncQ) -> None:
    class Fails(Job, queue="mail", tries=2, tags=["red"], group="g"):
        to: str

        async def handle(self) -> None:
            raise Boom("no\nroute")

    async with app, app.worker("mail"):
        before = time.time()
        handle = await Fails(to="ada").dispatch()
        await empty(app, "mail")
        [record] = await failed_jobs(app)
    assert (record.id, record.connection, record.queue) == (handle.id, "default", "mail")
    assert record.name.endswith("Fails")
    assert (record.attempts, record.exceptions, record.group, record.tags) == (2, 1, "g", ("red",))
    assert before - 1 < record.failed_at < time.time() + 1
    assert b'"to":"ada"' in record.body
    assert record.error == "Boom: no\nroute"
    assert 'raise Boom("no\\nroute")' in record.traceback
    assert record.traceback.startswith("Traceback")


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_failed_is_called_once_on_a_fresh_instance_with_the_error(app: AsyncQ, kind: str) -> None:
    told: list[tuple[str, str, bool]] = []
    running: list[int] = []

    class Async(Job, tries=2):
        note: str = "fresh"

        async def handle(self) -> None:
            running.append(id(self))
            self.note = "changed"
            raise Boom("why")

        async def failed(self, error: BaseException, /) -> None:
            told.append((self.note, str(error), id(self) in running))

    class Sync(Job, tries=2):
        note: str = "fresh"

        def handle(self) -> None:
            self.note = "changed"
            raise Boom("why")

        def failed(self, error: BaseException, /) -> None:
            told.append((self.note, str(error), False))

    async with app, app.worker():
        await (Async() if kind == "async" else Sync()).dispatch()
        await empty(app)
    assert [(note, error) for note, error, _ in told] == [("fresh", "why")]


async def test_failed_comes_before_the_record_and_the_event_after_it(app: AsyncQ) -> None:
    order: list[str] = []

    class Fails(Job):
        async def handle(self) -> None:
            raise Boom

        async def failed(self, error: BaseException, /) -> None:
            order.append(f"failed with {len(await failed_jobs(app))} records")

    @app.failing
    async def listen(event: JobFailed) -> None:
        order.append(f"event with {len(await failed_jobs(app))} records")

    async with app, app.worker():
        await Fails().dispatch()
        await eventually(lambda: len(order) == 2)
    assert order == ["failed with 0 records", "event with 1 records"]


async def test_failed_is_not_called_while_tries_are_left(app: AsyncQ) -> None:
    told: list[int] = []
    attempts: list[int] = []

    class Recovers(Job, tries=2):
        async def handle(self, ctx: JobContext) -> None:
            attempts.append(ctx.attempt)
            if ctx.attempt == 1:
                raise Boom

        async def failed(self, error: BaseException, /) -> None:
            told.append(1)

    async with app, app.worker():
        await Recovers().dispatch()
        await empty(app)
    assert attempts == [1, 2]
    assert not told


async def test_a_failed_hook_that_never_ends_is_given_up(
    app: AsyncQ, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import anyio

    from asyncq import executor

    monkeypatch.setattr(executor, "FAILED_HOOK_SECONDS", 0.05)

    class Fails(Job):
        async def handle(self) -> None:
            raise Boom

        async def failed(self, error: BaseException, /) -> None:
            await anyio.sleep_forever()

    async with app, app.worker():
        await Fails().dispatch()
        await empty(app)
        assert len(await failed_jobs(app)) == 1
    assert "took longer than 0.05 s" in caplog.text


async def test_a_redacted_field_is_in_no_log_and_no_traceback(app: AsyncQ, caplog: pytest.LogCaptureFixture) -> None:
    class Secret(Job):
        key: str = field(default="", redact=True)

        async def handle(self) -> None:
            raise Boom(repr(self))

    async with app, app.worker():
        await Secret(key="hunter2").dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert "hunter2" not in record.error + record.traceback + caplog.text


async def test_another_connection_may_keep_the_failed_jobs_of_all(url: str, tmp_path: Path) -> None:
    app = AsyncQ(
        connections={"main": url, "side": f"sqlite:///{tmp_path / 'failed.db'}"}, default="main", failed="side"
    )

    class Fails(Job):
        async def handle(self) -> None:
            raise Boom("kept elsewhere")

    async with app, app.worker():
        handle = await Fails().dispatch()
        await empty(app)
        store = (await app.engine()).driver("side").stores.failed
        assert store is not None
        while not (items := (await store.page()).items):
            await eventually(lambda: True)
        own = (await app.engine()).driver("main").stores.failed
        assert own is not None
        assert not (await own.page()).items
    assert [(item.id, item.connection) for item in items] == [(handle.id, "main")]


async def test_null_as_the_place_of_failed_jobs_forgets_them(url: str) -> None:
    app = AsyncQ(connections={"main": url}, default="main", failed="null://")
    heard = Heard(app, JobFailed)

    class Fails(Job):
        async def handle(self) -> None:
            raise Boom

    async with app, app.worker():
        await Fails().dispatch()
        await heard.until(JobFailed)
        assert not await failed_jobs(AsyncQ(Connection(url)))


async def test_a_failing_job_holds_up_nobody(app: AsyncQ) -> None:
    done: list[int] = []

    class Mixed(Job):
        number: int

        async def handle(self) -> None:
            if self.number % 2:
                raise Boom
            done.append(self.number)

    async with app, app.worker(concurrency=3):
        await app.dispatch_many([Mixed(number=number) for number in range(20)])
        await empty(app)
        assert len(await failed_jobs(app)) == 10
    assert sorted(done) == list(range(0, 20, 2))
