"""`dispatch(tx=…)`: a job is there if and only if its caller's transaction was committed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker, create_async_engine

import asyncq
from asyncq import AsyncQ, Job
from asyncq.contracts import Inspectable
from asyncq.errors import ConfigError, EncodeError, WrongType
from asyncq.events import JobQueued, JobQueueing, UniqueJobSkipped
from tests.behaviour.looking import Heard, empty, size_of
from tests.support.databases import WAYS, Way, sqlite_engine, way_on
from tests.support.shared import Shared


class Oops(Exception):
    pass


class Welcome(Job):
    name: str = ""

    async def handle(self) -> None: ...


class Once(Job, unique=True):
    name: str = ""

    async def handle(self) -> None: ...


@pytest.fixture(params=sorted(WAYS))
async def way(
    request: pytest.FixtureRequest, tmp_path: Path, servers: Shared, no_other_app: None
) -> AsyncIterator[Way]:
    way = way_on(request.param, tmp_path, servers)
    async with way.open():
        yield way


async def test_what_is_committed_is_there_with_the_job(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        async with way.transaction() as tx:
            await tx.write("Ada")
            handle = await Welcome(name="Ada").dispatch(tx=tx.given)
            assert (await size_of(app)).ready == 0
        assert handle.created
        assert (await size_of(app)).ready == 1
        assert await way.names() == ["Ada"]
        assert await handle.status() == "queued"


async def test_what_is_rolled_back_is_gone_with_the_job(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        with pytest.raises(Oops):
            async with way.transaction() as tx:
                await tx.write("Ada")
                await Welcome(name="Ada").dispatch(tx=tx.given)
                raise Oops
        assert (await size_of(app)).total == 0
        assert await way.names() == []


async def test_a_savepoint_takes_its_jobs_with_it(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        async with way.transaction() as tx:
            await Welcome(name="before").dispatch(tx=tx.given, queue="kept")
            with pytest.raises(Oops):
                async with tx.savepoint():
                    await Welcome(name="inside").dispatch(tx=tx.given, queue="dropped")
                    raise Oops
            async with tx.savepoint():
                await Welcome(name="again").dispatch(tx=tx.given, queue="kept")
        assert (await size_of(app, "kept")).ready == 2
        assert (await size_of(app, "dropped")).total == 0


async def test_a_worker_of_this_process_runs_what_was_committed(way: Way) -> None:
    ran: list[str] = []

    class Note(Job):
        name: str

        async def handle(self) -> None:
            ran.append(self.name)

    async with AsyncQ(way.url) as app, app.worker():
        async with way.transaction() as tx:
            for name in ("a", "b", "c"):
                await Note(name=name).dispatch(tx=tx.given)
        await empty(app)
    assert sorted(ran) == ["a", "b", "c"]


async def test_the_unique_key_is_decided_in_the_transaction(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        heard = Heard(app)
        async with way.transaction() as tx:
            first = await Once(name="Ada").dispatch(tx=tx.given)
            second = await Once(name="Ada").dispatch(tx=tx.given)
        third = await Once(name="Ada").dispatch()
        assert [first.created, second.created, third.created] == [True, False, False]
        assert {first.id} == {second.id, third.id}
        assert (await size_of(app)).ready == 1
    assert heard.names == ["JobQueueing", "JobQueued", *["JobQueueing", "UniqueJobSkipped"] * 2]


async def test_a_rollback_frees_the_unique_key(way: Way) -> None:
    async with AsyncQ(way.url):
        with pytest.raises(Oops):
            async with way.transaction() as tx:
                assert (await Once(name="Ada").dispatch(tx=tx.given)).created
                raise Oops
        assert (await Once(name="Ada").dispatch()).created


async def test_one_id_is_one_job(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        async with way.transaction() as tx:
            first = await Welcome().dispatch(tx=tx.given, id="mine")
            second = await Welcome().dispatch(tx=tx.given, id="mine")
        assert (first.created, second.created, second.id) == (True, False, "mine")
        assert (await size_of(app)).ready == 1


async def test_many_jobs_join_one_transaction(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        async with way.transaction() as tx:
            handles = await asyncq.dispatch_many([Welcome(name=str(n)) for n in range(50)], tx=tx.given, queue="bulk")
        assert len({handle.id for handle in handles}) == 50
        assert (await size_of(app, "bulk")).ready == 50


async def test_delay_tags_and_the_rest_of_the_options_hold(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        async with way.transaction() as tx:
            await Welcome().dispatch(tx=tx.given, delay=60, tags=["new"], group="g")
        driver = (await app.engine()).driver("default")
        assert isinstance(driver, Inspectable)
        (job,) = await driver.page("default", "delayed")
        assert (job.tags, job.group) == (("new",), "g")


async def test_events_are_told_at_the_dispatch(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        heard = Heard(app, JobQueueing, JobQueued, UniqueJobSkipped)
        async with way.transaction() as tx:
            handle = await Welcome().dispatch(tx=tx.given)
            assert heard.names == ["JobQueueing", "JobQueued"]
            assert heard.of(JobQueued)[0].id == handle.id


async def test_what_cannot_travel_is_refused_and_leaves_the_transaction_whole(way: Way) -> None:
    class Odd(Job):
        what: Any

        async def handle(self) -> None: ...

    async with AsyncQ(way.url) as app:
        async with way.transaction() as tx:
            with pytest.raises(EncodeError):
                await Odd(what=object()).dispatch(tx=tx.given)
            await tx.write("Ada")
            await Welcome().dispatch(tx=tx.given)
        assert (await size_of(app)).ready == 1
        assert await way.names() == ["Ada"]


async def test_tx_none_is_a_dispatch_like_any_other(way: Way) -> None:
    async with AsyncQ(way.url) as app:
        await Welcome().dispatch(tx=None)
        assert (await size_of(app)).ready == 1


async def test_tx_and_after_commit_together_are_refused(way: Way) -> None:
    async with AsyncQ(way.url), way.transaction() as tx:
        with pytest.raises(ConfigError, match="give one of them"):
            await Welcome().dispatch(tx=tx.given, after_commit=True)


async def test_a_connection_that_forgets_its_jobs_forgets_them_here_too(way: Way) -> None:
    async with AsyncQ("null://"), way.transaction() as tx:
        await Welcome().dispatch(tx=tx.given)


async def test_a_transaction_of_a_database_that_nobody_owns_is_refused(way: Way, tmp_path: Path) -> None:
    async with AsyncQ(f"sqlite:///{tmp_path}/elsewhere.db"), way.transaction() as tx:
        with pytest.raises(
            ConfigError, match=r"Welcome: .*no connection of the app .*(that-file\.db|postgresql://…).*after_"
        ):
            await Welcome().dispatch(tx=tx.given)


@pytest.mark.parametrize("given", [object(), 3, "session", AsyncSession, aiosqlite])
async def test_anything_else_as_tx_is_refused_with_what_is_taken(tmp_path: Path, given: object) -> None:
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db"):
        with pytest.raises(WrongType, match="takes a SQLAlchemy AsyncSession or AsyncConnection, an asyncpg"):
            await Welcome().dispatch(tx=given)


async def test_things_near_a_transaction_are_refused_with_a_hint(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "q.db")
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db"), AsyncSession(engine) as session:
        for given in (engine, async_sessionmaker(engine), session.sync_session, engine.sync_engine):
            with pytest.raises(WrongType, match="no transaction that can be awaited"):
                await Welcome().dispatch(tx=given)
    await engine.dispose()


async def test_a_connection_that_is_not_open_is_refused(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "q.db")
    async with engine.connect() as closed, aiosqlite.connect(tmp_path / "q.db") as over:
        pass
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db"):
        for given in (closed, engine.connect()):
            with pytest.raises(ConfigError, match=r"dispatch\(tx=…\): this connection is not open; .*engine\.connect"):
                await Welcome().dispatch(tx=given)
            with pytest.raises(ConfigError, match=r"after_commit\(…\): this connection is not open"):
                asyncq.after_commit(given)
        for plain in (over, aiosqlite.connect(tmp_path / "q.db")):
            with pytest.raises(ConfigError, match=r"dispatch\(tx=…\): this connection is not open; .*aiosqlite\.conn"):
                await Welcome().dispatch(tx=plain)
            with pytest.raises(ConfigError, match=r"after_commit\(…\): this connection is not open"):
                asyncq.after_commit(plain)
    await engine.dispose()


async def test_an_aiosqlite_connection_that_commits_by_itself_is_refused(tmp_path: Path) -> None:
    async with (
        AsyncQ(f"sqlite:///{tmp_path}/q.db") as app,
        aiosqlite.connect(tmp_path / "q.db", isolation_level=None) as database,
    ):
        with pytest.raises(ConfigError, match="BEGIN IMMEDIATE"):
            await Welcome().dispatch(tx=database)
        assert (await size_of(app)).total == 0


async def test_an_aiosqlite_connection_that_begins_by_itself_begins_with_the_dispatch(tmp_path: Path) -> None:
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db") as app, aiosqlite.connect(tmp_path / "q.db") as database:
        await Welcome().dispatch(tx=database)
        assert database.in_transaction
        await database.rollback()
        assert (await size_of(app)).total == 0
        await Welcome().dispatch(tx=database)
        await database.commit()
        assert (await size_of(app)).ready == 1


async def test_rows_and_texts_may_be_whatever_the_user_set_them_to(tmp_path: Path) -> None:
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db"), aiosqlite.connect(tmp_path / "q.db") as database:
        database.row_factory = lambda cursor, row: {"row": row}  # type: ignore[assignment]
        database.text_factory = bytes
        first = await Once().dispatch(tx=database)
        second = await Once().dispatch(tx=database)
        assert (second.created, second.id) == (False, first.id)
        ((row),) = await database.execute_fetchall("SELECT 'text'")
        assert row == {"row": (b"text",)}


async def test_an_engine_in_autocommit_is_refused(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/q.db", isolation_level="AUTOCOMMIT")
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db"), AsyncSession(engine) as session:
        with pytest.raises(ConfigError, match="AUTOCOMMIT"):
            await Welcome().dispatch(tx=session)
    await engine.dispose()


async def test_a_session_that_begins_nothing_by_itself_is_refused_until_it_has_begun(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "q.db")
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db") as app, AsyncSession(engine, autobegin=False) as session:
        with pytest.raises(ConfigError, match=r"session\.begin\(\)"):
            await Welcome().dispatch(tx=session)
        async with session.begin():
            await Welcome().dispatch(tx=session)
        assert (await size_of(app)).ready == 1
    await engine.dispose()


async def test_a_session_that_begins_by_itself_commits_what_it_was_given(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/q.db")
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db") as app, AsyncSession(engine) as session:
        await Welcome().dispatch(tx=session)
        await session.rollback()
        assert (await size_of(app)).total == 0
        await Welcome().dispatch(tx=session)
        await session.commit()
        assert (await size_of(app)).ready == 1
    await engine.dispose()


async def test_a_scoped_session_and_the_objects_of_its_blocks_are_taken(tmp_path: Path) -> None:
    engine = sqlite_engine(tmp_path / "q.db")
    scoped = async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db") as app:
        async with scoped.begin() as block:
            await Welcome().dispatch(tx=scoped)
            await Welcome().dispatch(tx=block)
        await scoped.remove()
        async with engine.connect() as connection, connection.begin() as block:
            await Welcome().dispatch(tx=block)
        assert (await size_of(app)).ready == 3
    await engine.dispose()


async def test_a_session_without_a_database_is_refused(tmp_path: Path) -> None:
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db"), AsyncSession() as session:
        with pytest.raises(ConfigError, match="which of its databases"):
            await Welcome().dispatch(tx=session)


async def test_a_database_in_memory_is_nobodys(tmp_path: Path) -> None:
    async with AsyncQ(f"sqlite:///{tmp_path}/q.db"), aiosqlite.connect(":memory:") as database:
        with pytest.raises(ConfigError, match="no connection of the app"):
            await Welcome().dispatch(tx=database)


async def test_the_file_is_known_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    monkeypatch.chdir(tmp_path)
    async with AsyncQ("sqlite:///folder/q.db") as app, aiosqlite.connect(tmp_path / "link" / "q.db") as database:
        await Welcome().dispatch(tx=database)
        await database.commit()
        assert (await size_of(app)).ready == 1


async def test_a_lock_that_is_held_is_the_callers_error_in_the_words_of_its_library(tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/q.db", connect_args={"timeout": 0.05})
    async with (
        AsyncQ(f"sqlite:///{tmp_path}/q.db") as app,
        aiosqlite.connect(tmp_path / "q.db", isolation_level=None) as holder,
        aiosqlite.connect(tmp_path / "q.db", timeout=0.05) as database,
        AsyncSession(engine) as session,
    ):
        await holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(aiosqlite.OperationalError, match="locked"):
            await Welcome().dispatch(tx=database)
        with pytest.raises(OperationalError, match="locked"):
            await Welcome().dispatch(tx=session)
        await session.rollback()
        await holder.execute("ROLLBACK")
        await Welcome().dispatch(tx=database)
        await database.commit()
        assert (await size_of(app)).ready == 1
    await engine.dispose()


@pytest.mark.parametrize("name", ["asyncpg", "postgres-session"])
async def test_a_lock_on_postgres_is_the_callers_error_too(
    tmp_path: Path, servers: Shared, name: str, no_other_app: None
) -> None:
    way = way_on(name, tmp_path, servers)
    async with way.open(), AsyncQ(way.url) as app:
        async with way.transaction() as holder:
            await Welcome().dispatch(tx=holder.given, id="mine")
            with pytest.raises((asyncpg.LockNotAvailableError, DBAPIError), match="lock timeout"):
                async with way.transaction() as tx:
                    setting = "SET LOCAL lock_timeout = '50ms'"
                    await tx.given.execute(setting if name == "asyncpg" else text(setting))
                    await Welcome().dispatch(tx=tx.given, id="mine")
        assert (await size_of(app)).ready == 1


async def test_a_long_transaction_only_slows_the_worker(way: Way) -> None:
    """Longer than `busy_timeout`, and longer than a lease: nothing is lost, and nothing runs twice."""
    ran: list[int] = []
    going, go_on = anyio.Event(), anyio.Event()
    options = "&lease=1" + ("&busy_timeout=0.2" if way.url.startswith("sqlite") else "")

    class Long(Job):
        number: int

        async def handle(self) -> None:
            ran.append(self.number)
            if self.number == 0:
                going.set()
                await go_on.wait()

    async with AsyncQ(way.url + options) as app, app.worker(concurrency=2):
        await asyncq.dispatch_many([Long(number=number) for number in range(6)])
        await going.wait()
        async with way.transaction() as tx:
            await Long(number=6).dispatch(tx=tx.given)
            await tx.write("Ada")
            await anyio.sleep(2.5)  # what is tested is the time itself
            go_on.set()
        await empty(app, within=20)
    assert sorted(ran) == list(range(7))
    assert await way.names() == ["Ada"]


async def test_the_clock_of_a_test_dates_what_is_written_in_a_transaction(way: Way) -> None:
    if not way.url.startswith("sqlite"):
        pytest.skip("the time of a server is its own")
    async with asyncq.testing.clock() as clock, AsyncQ(way.url) as app:
        async with way.transaction() as tx:
            await Welcome().dispatch(tx=tx.given, delay=3600)
        assert (await size_of(app)).delayed == 1
        assert await asyncq.testing.drain(app) == []
        clock.turn(3600)
        (outcome,) = await asyncq.testing.drain(app)
        assert outcome.done


async def test_a_fake_keeps_the_job_at_once(way: Way) -> None:
    async with asyncq.fake() as queue, AsyncQ(way.url):
        with pytest.raises(Oops):
            async with way.transaction() as tx:
                await Welcome(name="Ada").dispatch(tx=tx.given)
                raise Oops
        await Welcome(name="Eve").dispatch(tx=object())
        assert [job.name for job in queue.of(Welcome)] == ["Ada", "Eve"]
