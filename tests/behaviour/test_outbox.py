"""`dispatch(tx=…)` of jobs whose broker is elsewhere: through the outbox of the caller's database."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

import asyncq
from asyncq import AsyncQ, Job
from asyncq.contracts import Findable
from asyncq.errors import BrokerUnavailable, DriverError
from asyncq.events import JobQueued
from asyncq.payload import Envelope
from asyncq.worker import relay
from asyncq.worker.options import WorkerOptions
from asyncq.worker.supervisor import Supervisor
from tests.behaviour.looking import Heard, eventually, size_of
from tests.support.databases import Way, way_on
from tests.support.shared import Shared


class Oops(Exception):
    pass


class Welcome(Job):
    name: str = ""

    async def handle(self) -> None: ...


class Once(Job, unique=True):
    name: str = ""

    async def handle(self) -> None: ...


@pytest.fixture(params=["aiosqlite", "sqlite-session", "asyncpg", "postgres-session"])
async def way(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared) -> AsyncIterator[Way]:
    way = way_on(request.param, tmp_path, servers)
    async with way.open():
        yield way


@pytest.fixture
def shop(url: str, way: Way, no_other_app: None) -> AsyncQ:
    """An app whose jobs wait on one backend, and whose own data lie in a database."""
    if url.startswith("postgresql:") and way.url.startswith("postgresql:"):
        pytest.skip("both lie in one database, where a job joins the transaction itself")
    return AsyncQ(connections={"default": url, "db": way.url})


async def rows_of(app: AsyncQ) -> int:
    """Count the rows that wait in the outbox of the database, by taking them for a moment."""
    outbox = (await app.engine()).driver("db").stores.outbox
    assert outbox is not None
    return len(await outbox.take(limit=100, lease=0.0))


async def arrived(app: AsyncQ, *ids: str) -> None:
    """Return when these jobs are stored where they belong."""
    driver = (await app.engine()).driver("default")
    assert isinstance(driver, Findable)
    with anyio.fail_after(10):
        while set(await driver.find(ids)) != set(ids):  # noqa: ASYNC110 - what arrives has no event
            await anyio.sleep(0.01)


async def test_a_worker_carries_what_was_committed_to_its_broker(shop: AsyncQ, way: Way) -> None:
    ran: list[str] = []

    class Note(Job):
        name: str

        async def handle(self) -> None:
            ran.append(self.name)

    async with shop as app, app.worker():
        async with way.transaction() as tx:
            await tx.write("Ada")
            for name in ("a", "b", "c"):
                handle = await Note(name=name).dispatch(tx=tx.given)
                assert (handle.connection, handle.created) == ("default", True)
            await anyio.sleep(0.1)
            assert ran == []
        await eventually(lambda: len(ran) == 3, within=10)
    assert sorted(ran) == ["a", "b", "c"]


async def test_it_comes_soon_also_from_another_process(shop: AsyncQ, way: Way, url: str) -> None:
    if url.startswith("memory://"):
        pytest.skip("nobody else sees this backend")
    web = AsyncQ(connections={"default": url, "db": way.url})
    async with shop as app, app.worker("other"), web:
        await anyio.sleep(1.5)  # the worker has found nothing, and looks seldom now
        async with way.transaction() as tx:
            handle = await Welcome().dispatch(tx=tx.given)
        with anyio.fail_after(3):
            await arrived(app, handle.id)


async def test_what_was_rolled_back_reaches_no_broker(shop: AsyncQ, way: Way) -> None:
    async with shop as app:
        with pytest.raises(Oops):
            async with way.transaction() as tx:
                await Welcome(name="gone").dispatch(tx=tx.given)
                raise Oops
        async with way.transaction() as tx:
            with pytest.raises(Oops):
                async with tx.savepoint():
                    await Welcome(name="gone too").dispatch(tx=tx.given)
                    raise Oops
            handle = await Welcome(name="kept").dispatch(tx=tx.given)
        async with app.worker("other"):
            await arrived(app, handle.id)
        assert (await size_of(app)).total == 1


async def test_it_waits_in_the_database_until_a_worker_comes(shop: AsyncQ, way: Way) -> None:
    async with shop as app:
        async with way.transaction() as tx:
            handle = await Welcome().dispatch(tx=tx.given)
        assert (await size_of(app)).total == 0
        assert await rows_of(app) == 1
        async with app.worker("other"):
            await arrived(app, handle.id)
        assert await rows_of(app) == 0


async def test_jobs_of_several_connections_go_where_they_belong(shop: AsyncQ, way: Way) -> None:
    async with shop as app:
        heard = Heard(app, JobQueued)
        async with way.transaction() as tx:
            here = await Welcome(name="here").dispatch(tx=tx.given, connection="db")
            there, also = await asyncq.dispatch_many([Welcome(name="a"), Welcome(name="b")], tx=tx.given)
        assert len(heard.events) == 3
        driver = (await app.engine()).driver("db")
        assert isinstance(driver, Findable)
        assert set(await driver.find([here.id, there.id, also.id])) == {here.id}
        async with app.worker("other"):
            await arrived(app, there.id, also.id)


async def test_routing_and_the_unique_key_arrive_too(shop: AsyncQ, way: Way) -> None:
    async with shop as app:
        async with way.transaction() as tx:
            first = await Once(name="a").dispatch(tx=tx.given, queue="slow", delay=3600, tags=["t"], group="g")
            second = await Once(name="a").dispatch(tx=tx.given, queue="slow", delay=3600)
        assert first.created and second.created  # it is decided where the job arrives
        async with app.worker("other"):
            await arrived(app, first.id)
        driver = (await app.engine()).driver("default")
        assert isinstance(driver, Findable)
        (job,) = (await driver.find([first.id, second.id])).values()
        assert (job.state, job.queue, job.tags, job.group) == ("delayed", "slow", ("t",), "g")
        assert not (await Once(name="a").dispatch()).created


async def test_a_row_that_is_refused_holds_up_no_other(
    shop: AsyncQ, way: Way, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with shop as app:
        driver = (await app.engine()).driver("default")
        push = driver.push

        async def picky(envelopes: Sequence[Envelope]) -> Any:
            if any(envelope.tags == ("bad",) for envelope in envelopes):
                raise DriverError("it does not like it")
            return await push(envelopes)

        monkeypatch.setattr(driver, "push", picky)
        async with way.transaction() as tx:
            one = await Welcome().dispatch(tx=tx.given)
            await Welcome().dispatch(tx=tx.given, tags=["bad"])
            other = await Welcome().dispatch(tx=tx.given)
        async with app.worker("other"):
            await arrived(app, one.id, other.id)
    assert "1 rows of the outbox could not be relayed" in caplog.text


STEPS = ["taken", "pushed", "done"]


@pytest.mark.parametrize("step", STEPS)
async def test_a_failure_at_any_step_loses_nothing_and_doubles_nothing(
    shop: AsyncQ, way: Way, monkeypatch: pytest.MonkeyPatch, step: str, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(relay, "LEASE_SECONDS", 0.3)
    async with shop as app:
        driver, outbox = (await app.engine()).driver("default"), (await app.engine()).driver("db").stores.outbox
        owner, name = {"taken": (outbox, "take"), "pushed": (driver, "push"), "done": (outbox, "done")}[step]
        call, failures = getattr(owner, name), iter([True, False])

        async def fails_once(*args: Any, **kwargs: Any) -> Any:
            answer = await call(*args, **kwargs)  # it has its effect, and nobody hears of it
            if next(failures, False):
                raise BrokerUnavailable("the answer is lost")
            return answer

        async with way.transaction() as tx:
            handles = [await Welcome().dispatch(tx=tx.given) for _ in range(3)]
        monkeypatch.setattr(owner, name, fails_once)
        async with app.worker("other"):
            await arrived(app, *(handle.id for handle in handles))
            with anyio.fail_after(10):
                while await rows_of(app):  # noqa: ASYNC110 - an outbox has no event
                    await anyio.sleep(0.05)
        assert (await size_of(app)).total == 3
    assert "the answer is lost" in caplog.text


async def test_a_worker_that_stops_when_empty_looks_into_the_outbox_first(shop: AsyncQ, way: Way) -> None:
    ran: list[str] = []

    class Note(Job):
        name: str

        async def handle(self) -> None:
            ran.append(self.name)

    async with shop as app:
        async with way.transaction() as tx:
            await Note(name="a").dispatch(tx=tx.given)
        await drained(app)
    assert ran == ["a"]


async def drained(app: AsyncQ) -> None:
    """Work until nothing is left, as `asyncq work --stop-when-empty` does."""
    options = WorkerOptions(stop_when_empty=True)
    with anyio.fail_after(15):
        await Supervisor(await app.engine(), options, _nothing, beside=True).run()


def _nothing(*_: object) -> None:
    return None


async def test_a_test_drains_it_too(way: Way, no_other_app: None) -> None:
    ran: list[str] = []

    class Note(Job):
        name: str

        async def handle(self) -> None:
            ran.append(self.name)

    async with AsyncQ(connections={"default": "memory://", "db": way.url}) as app:
        async with way.transaction() as tx:
            await Note(name="a").dispatch(tx=tx.given)
        (outcome,) = await asyncq.testing.drain(app)
    assert (outcome.done, ran) == (True, ["a"])


async def test_an_idle_worker_asks_seldom(shop: AsyncQ, way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    async with shop as app:
        outbox = (await app.engine()).driver("db").stores.outbox
        assert outbox is not None
        take, takes = outbox.take, 0

        async def counted(*, limit: int, lease: float) -> Any:
            nonlocal takes
            takes += 1
            return await take(limit=limit, lease=lease)

        monkeypatch.setattr(outbox, "take", counted)
        async with app.worker("other"):
            await anyio.sleep(2.5)  # what is tested is what happens in a time
    assert 1 <= takes <= 3


async def test_a_database_that_is_away_does_not_stop_the_worker(
    shop: AsyncQ, way: Way, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    async def broken(*, limit: int, lease: float) -> Any:
        raise BrokerUnavailable("away")

    async with shop as app:
        outbox = (await app.engine()).driver("db").stores.outbox
        with monkeypatch.context() as patch:
            patch.setattr(outbox, "take", broken)
            async with app.worker():
                handle = await Welcome().dispatch()
                driver = (await app.engine()).driver("default")
                assert isinstance(driver, Findable)
                with anyio.fail_after(5):
                    while await driver.find([handle.id]):  # noqa: ASYNC110 - a queue has no event
                        await anyio.sleep(0.01)
    assert "the outbox of 'db' could not be read" in caplog.text
