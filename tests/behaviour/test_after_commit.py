"""`after_commit`: what commits is sent once, in order; what rolls back is dropped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiosqlite
import anyio
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

import asyncq
from asyncq import AsyncQ, Connection, Job, JobHandle, job
from asyncq.contracts import Inspectable
from asyncq.errors import BrokerUnavailable, ConfigError, DriverError, EncodeError, WrongType
from asyncq.events import JobQueued, JobQueueing, UniqueJobSkipped
from tests.behaviour.looking import Heard, size_of
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


@job(after_commit=False)
async def at_once(name: str) -> None: ...


@pytest.fixture(params=sorted(WAYS))
async def way(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared) -> AsyncIterator[Way]:
    way = way_on(request.param, tmp_path, servers)
    async with way.open():
        yield way


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = sqlite_engine(tmp_path / "shop.db")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE users (name TEXT NOT NULL)"))
    yield engine
    await engine.dispose()


@pytest.fixture
def installed(engine: AsyncEngine) -> Iterator[AsyncEngine]:
    asyncq.after_commit.install(engine)
    yield engine
    asyncq.after_commit.uninstall(engine)


async def waiting(app: AsyncQ, queue: str = "default") -> list[str]:
    """The names of the jobs that wait, in the order in which they would run."""
    driver = (await app.engine()).driver("default")
    assert isinstance(driver, Inspectable)
    bodies = [item.body.partition(b"\n")[2] for item in await driver.page(queue, "ready")]
    return [body.split(b'"')[3].decode() for body in bodies]


async def test_what_is_committed_is_sent_in_the_order_of_its_dispatches(app: AsyncQ, way: Way) -> None:
    async with app:
        async with way.transaction(asyncq.after_commit) as tx:
            await tx.write("Ada")
            handles = [await Welcome(name=name).dispatch() for name in "abc"]
            handles += await asyncq.dispatch_many([Welcome(name=name) for name in "def"])
            assert await waiting(app) == []
        assert await waiting(app) == list("abcdef")
        assert all(handle.created for handle in handles)
        assert [await handle.status() for handle in handles] == ["queued"] * 6


async def test_what_is_rolled_back_is_dropped(app: AsyncQ, way: Way) -> None:
    async with app:
        with pytest.raises(Oops):
            async with way.transaction(asyncq.after_commit) as tx:
                await tx.write("Ada")
                await Welcome(name="a").dispatch()
                raise Oops
        assert await waiting(app) == []
        await Welcome(name="b").dispatch()
        assert await waiting(app) == ["b"]


async def test_savepoints_drop_what_they_roll_back_and_leave_the_rest_to_the_commit(app: AsyncQ, way: Way) -> None:
    async with app:
        async with way.transaction(asyncq.after_commit) as tx:
            await Welcome(name="before").dispatch()
            with pytest.raises(Oops):
                async with tx.savepoint():
                    await Welcome(name="dropped").dispatch()
                    raise Oops
            async with tx.savepoint():
                await Welcome(name="inside").dispatch()
                async with tx.savepoint():
                    await Welcome(name="deeper").dispatch()
                assert await waiting(app) == []
            with pytest.raises(Oops):
                async with tx.savepoint():
                    async with tx.savepoint():
                        await Welcome(name="released, then dropped").dispatch()
                    raise Oops
            await Welcome(name="after").dispatch()
        assert await waiting(app) == ["before", "inside", "deeper", "after"]


async def test_events_and_the_unique_key_come_with_the_send(app: AsyncQ, way: Way) -> None:
    heard = Heard(app, JobQueueing, JobQueued, UniqueJobSkipped)
    async with app:
        async with way.transaction(asyncq.after_commit):
            first = await Once(name="a").dispatch()
            second = await Once(name="a").dispatch()
            assert heard.names == []
            assert first.created and second.created  # it is decided when they are sent
        assert heard.names == ["JobQueueing", "JobQueueing", "JobQueued", "UniqueJobSkipped"]
        assert (await size_of(app)).ready == 1
        assert not (await Once(name="a").dispatch()).created


async def test_what_is_rolled_back_is_no_reason_to_worry(
    app: AsyncQ, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    async with app:
        caplog.clear()  # a broker may have had something to say when it was opened
        async with way.transaction(asyncq.after_commit) as tx:
            with pytest.raises(Oops):
                async with tx.savepoint():
                    await tx.write("Ada")
                    await Welcome(name="a").dispatch()
                    raise Oops
        with pytest.raises(Oops):
            async with way.transaction(asyncq.after_commit) as tx:
                await tx.write("Ada")
                await Welcome(name="a").dispatch()
                raise Oops
    ours = [record for record in caplog.records if record.name == "asyncq.transactions"]
    assert not [record for record in ours if record.levelno >= logging.WARNING]


async def test_a_rollback_holds_no_unique_key(app: AsyncQ, way: Way) -> None:
    async with app:
        with pytest.raises(Oops):
            async with way.transaction(asyncq.after_commit):
                await Once(name="a").dispatch()
                raise Oops
        assert (await Once(name="a").dispatch()).created


async def test_what_cannot_travel_is_refused_at_the_dispatch(app: AsyncQ, way: Way) -> None:
    class Odd(Job):
        what: Any

        async def handle(self) -> None: ...

    async with app, way.transaction(asyncq.after_commit):
        with pytest.raises(EncodeError):
            await Odd(what=object()).dispatch()


async def test_a_job_is_sent_as_it_was_at_its_dispatch(app: AsyncQ, way: Way) -> None:
    async with app:
        async with way.transaction(asyncq.after_commit):
            job = Welcome(name="then")
            await job.dispatch()
            job.name = "now"
        assert await waiting(app) == ["then"]


async def test_the_call_beats_the_class_and_the_class_the_connection(url: str, no_other_app: None, way: Way) -> None:
    class Eager(Job, after_commit=False):
        name: str

        async def handle(self) -> None: ...

    class Patient(Job, after_commit=True):
        name: str

        async def handle(self) -> None: ...

    async with AsyncQ(Connection(url, after_commit=False)) as app:
        async with way.transaction(asyncq.after_commit):
            await Welcome(name="connection: no").dispatch()
            await Patient(name="class: yes").dispatch()
            await Patient(name="call: no").dispatch(after_commit=False)
            await Eager(name="class: no").dispatch()
            await Eager(name="call: yes").dispatch(after_commit=True)
            await at_once.dispatch("function: no")
            await at_once.options(after_commit=True).dispatch("function: yes")
            assert await waiting(app) == ["connection: no", "call: no", "class: no", "function: no"]
        assert (await waiting(app))[4:] == ["class: yes", "call: yes", "function: yes"]


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes"])
def test_the_connection_says_it_in_its_url_too(tmp_path: Path, text: str) -> None:
    assert Connection(f"sqlite:///{tmp_path}/q.db?after_commit={text}").settings("default").after_commit is True
    assert Connection(f"sqlite:///{tmp_path}/q.db?after_commit=false").settings("default").after_commit is False
    assert Connection(f"sqlite:///{tmp_path}/q.db").settings("default").after_commit is None


def test_a_connection_that_says_neither_yes_nor_no_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"after_commit='maybe' takes true or false \(set by the URL\)"):
        AsyncQ(f"sqlite:///{tmp_path}/q.db?after_commit=maybe")


def test_the_environment_says_it_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, no_other_app: None) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__DEFAULT__AFTER_COMMIT", "true")
    assert AsyncQ().connections["default"].settings("default").after_commit is True
    monkeypatch.delenv("ASYNCQ_CONNECTIONS__DEFAULT__AFTER_COMMIT")
    (tmp_path / "pyproject.toml").write_text("[tool.asyncq.connections.default]\nafter_commit = true\n")
    assert AsyncQ().connections["default"].settings("default").after_commit is True


async def test_after_commit_without_a_transaction_sends_at_once_and_warns_once(
    app: AsyncQ, caplog: pytest.LogCaptureFixture
) -> None:
    async with app:
        for _ in range(3):
            await Welcome(name="a").dispatch(after_commit=True)
        assert len(await waiting(app)) == 3
    (record,) = [record for record in caplog.records if record.name == "asyncq.transactions"]
    assert record.levelno == logging.WARNING
    assert "asyncq.after_commit.install(engine)" in record.message


async def test_where_something_is_installed_there_is_no_warning(
    app: AsyncQ, installed: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with app:
        await Welcome(name="a").dispatch(after_commit=True)
        assert await waiting(app) == ["a"]
    assert not [record for record in caplog.records if record.name == "asyncq.transactions"]


async def test_an_engine_that_is_installed_holds_back_in_every_session(app: AsyncQ, installed: AsyncEngine) -> None:
    async with app:
        async with AsyncSession(installed) as session, session.begin():
            await Welcome(name="before any statement").dispatch()
            await session.execute(text("SELECT 1"))
            async with session.begin_nested():
                await Welcome(name="nested").dispatch()
            with pytest.raises(Oops):
                async with session.begin_nested():
                    await Welcome(name="dropped").dispatch()
                    raise Oops
            assert await waiting(app) == []
        assert await waiting(app) == ["before any statement", "nested"]
        await Welcome(name="outside").dispatch()
        assert (await waiting(app))[2:] == ["outside"]


async def test_an_engine_that_is_installed_holds_back_on_every_connection(app: AsyncQ, installed: AsyncEngine) -> None:
    async with app:
        async with installed.begin() as connection:
            await Welcome(name="a").dispatch()
            async with connection.begin_nested():
                await Welcome(name="b").dispatch()
            with pytest.raises(Oops):
                async with connection.begin_nested():
                    await Welcome(name="dropped").dispatch()
                    raise Oops
            assert await waiting(app) == []
        assert await waiting(app) == ["a", "b"]
        async with installed.connect() as connection:
            await connection.execute(text("SELECT 1"))
            await Welcome(name="c").dispatch()
            await connection.commit()
            assert await waiting(app) == ["a", "b", "c"]
            await Welcome(name="d").dispatch()
            assert await waiting(app) == ["a", "b", "c", "d"]
            await connection.execute(text("SELECT 1"))
            await Welcome(name="e").dispatch()
            await connection.rollback()
        assert await waiting(app) == ["a", "b", "c", "d"]


async def test_a_session_of_an_engine_with_other_options_is_followed_too(app: AsyncQ, installed: AsyncEngine) -> None:
    copy = installed.execution_options(compiled_cache=None)
    async with app:
        async with AsyncSession(copy) as session, session.begin():
            await session.execute(text("SELECT 1"))
            await Welcome(name="a").dispatch()
            assert await waiting(app) == []
        assert await waiting(app) == ["a"]


async def test_a_session_with_an_engine_for_each_class_is_followed_once_it_uses_it(
    app: AsyncQ, installed: AsyncEngine
) -> None:
    async with app:
        async with AsyncSession(binds={object: installed}) as session, session.begin():
            _ = await session.connection(bind_arguments={"bind": installed.sync_engine})
            await Welcome(name="a").dispatch()
            assert await waiting(app) == []
        assert await waiting(app) == ["a"]


async def test_a_factory_that_is_installed_holds_back_in_its_sessions_only(app: AsyncQ, engine: AsyncEngine) -> None:
    followed, other = async_sessionmaker(engine), async_sessionmaker(engine)
    asyncq.after_commit.install(followed)
    asyncq.after_commit.install(followed)
    async with app:
        async with followed() as session, session.begin():
            await Welcome(name="a").dispatch()
            assert await waiting(app) == []
        async with other.begin():
            await Welcome(name="b").dispatch()
            assert await waiting(app) == ["a", "b"]
        asyncq.after_commit.uninstall(followed)
        async with followed.begin():
            await Welcome(name="c").dispatch()
            assert await waiting(app) == ["a", "b", "c"]


async def test_a_session_that_begins_by_itself_holds_back_from_its_first_statement_on(
    app: AsyncQ, installed: AsyncEngine
) -> None:
    async with app, AsyncSession(installed) as session:
        for name in ("a", "b"):
            await session.execute(text("INSERT INTO users VALUES ('x')"))
            await Welcome(name=name).dispatch()
            await session.commit()
            assert (await waiting(app))[-1] == name
        await session.execute(text("INSERT INTO users VALUES ('x')"))
        await Welcome(name="c").dispatch()
        await session.rollback()
        assert await waiting(app) == ["a", "b"]


async def test_a_session_that_is_closed_without_a_commit_says_what_it_dropped(
    app: AsyncQ, installed: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with app:
        async with AsyncSession(installed) as session:
            await session.execute(text("INSERT INTO users VALUES ('x')"))
            handle = await Welcome(name="a").dispatch()
        assert await waiting(app) == []
    (record,) = [record for record in caplog.records if record.name == "asyncq.transactions"]
    assert record.levelno == logging.WARNING
    assert handle.id in record.message and "after_commit=False" in record.message


@pytest.mark.parametrize("statement", ["SELECT count(*) FROM users", "WITH u AS (SELECT 1) SELECT * FROM u", None])
async def test_a_session_that_has_only_read_needs_no_commit(
    app: AsyncQ, installed: AsyncEngine, statement: str | None
) -> None:
    async with app:
        async with AsyncSession(installed) as session, session.begin() as block:
            if statement is not None:
                await session.execute(text(statement))
            await Welcome(name="a").dispatch()
            assert await waiting(app) == []
            await session.close()
            assert not block.is_active
        assert await waiting(app) == ["a"]
        async with AsyncSession(installed) as session:
            await session.execute(text(statement or "SELECT 1"))
            await Welcome(name="b").dispatch()
        assert await waiting(app) == ["a", "b"]
        with pytest.raises(Oops):
            async with AsyncSession(installed) as session, session.begin():
                await session.execute(text(statement or "SELECT 1"))
                await Welcome(name="dropped").dispatch()
                raise Oops
        assert await waiting(app) == ["a", "b"]


def _check_keys(raw: Any, record: object) -> None:
    raw.execute("PRAGMA foreign_keys = ON")


async def test_a_commit_that_fails_drops_what_waits_for_it(app: AsyncQ, installed: AsyncEngine) -> None:
    async with installed.begin() as connection:
        await connection.execute(text("CREATE TABLE parents (id INTEGER PRIMARY KEY)"))
        await connection.execute(
            text("CREATE TABLE children (parent REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)")
        )
    event.listen(installed.sync_engine, "connect", _check_keys)
    await installed.dispose()
    async with app:
        for holder in (AsyncSession(installed), installed.connect()):
            async with holder as executes:
                await executes.execute(text("INSERT INTO children VALUES (1)"))
                await Welcome(name="a").dispatch()
                with pytest.raises(Exception, match="FOREIGN KEY"):
                    await executes.commit()
                await executes.rollback()
            assert await waiting(app) == []


@pytest.mark.parametrize("session", [True, False], ids=["session", "connection"])
async def test_a_commit_of_which_nobody_knows_whether_it_happened_is_told_loudly(
    app: AsyncQ, engine: AsyncEngine, session: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    commit = engine.sync_engine.dialect.do_commit

    def cut_off(raw: Any) -> None:
        commit(raw)
        raise asyncio.CancelledError  # it arrives while the answer is on its way

    ids: list[str] = []
    async with app:
        with monkeypatch.context() as patch:
            patch.setattr(engine.sync_engine.dialect, "do_commit", cut_off)
            opened: Any = AsyncSession(engine) if session else engine.connect()
            with pytest.raises(asyncio.CancelledError):
                async with opened as executes, asyncq.after_commit(executes), executes.begin():
                    await executes.execute(text("INSERT INTO users VALUES ('Ada')"))
                    ids.append((await Welcome(name="a").dispatch()).id)
        assert await waiting(app) == []
    (record,) = [record for record in caplog.records if record.name == "asyncq.transactions"]
    assert record.levelno == logging.ERROR and "nobody knows" in record.message and ids[0] in record.message


async def test_a_block_that_begins_after_a_write_drops_its_jobs_with_a_session_that_is_closed(
    app: AsyncQ, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with app:
        async with AsyncSession(engine) as session:
            await session.execute(text("INSERT INTO users VALUES ('Ada')"))
            async with asyncq.after_commit(session):
                await Welcome(name="a").dispatch()
        assert await waiting(app) == []
    assert "closed without a commit" in caplog.text


async def test_in_a_block_what_comes_before_the_transaction_waits_for_it(app: AsyncQ, engine: AsyncEngine) -> None:
    async with app, AsyncSession(engine) as session, engine.connect() as connection:
        for subject in (session, connection):
            async with asyncq.after_commit(subject):
                await Welcome(name="early").dispatch()
                assert await waiting(app) == []
                async with subject.begin():
                    await Welcome(name="inside").dispatch()
                assert await waiting(app) == ["early", "inside"]
                await Welcome(name="late").dispatch()
                assert await waiting(app) == ["early", "inside"]
            assert await waiting(app) == ["early", "inside", "late"]
            await (await app.engine()).driver("default").clear("default")  # type: ignore[attr-defined]


async def test_in_a_block_what_no_transaction_took_is_dropped_by_an_error(app: AsyncQ, engine: AsyncEngine) -> None:
    async with app, AsyncSession(engine) as session:
        with pytest.raises(Oops):
            async with asyncq.after_commit(session):
                await Welcome(name="a").dispatch()
                raise Oops
        assert await waiting(app) == []


async def test_a_block_may_begin_and_end_inside_the_transaction(app: AsyncQ, engine: AsyncEngine) -> None:
    async with app, AsyncSession(engine) as session, engine.connect() as connection:
        for subject in (session, connection):
            async with subject.begin():
                await Welcome(name="not held").dispatch()
                async with asyncq.after_commit(subject):
                    await Welcome(name="held").dispatch()
                    async with subject.begin_nested():
                        await Welcome(name="nested").dispatch()
                await Welcome(name="not held").dispatch()
                assert await waiting(app) == ["not held", "not held"]
            assert await waiting(app) == ["not held", "not held", "held", "nested"]
            await Welcome(name="x").dispatch()
            await (await app.engine()).driver("default").clear("default")  # type: ignore[attr-defined]


async def test_after_a_block_its_session_is_not_followed_any_more(app: AsyncQ, engine: AsyncEngine) -> None:
    async with app, AsyncSession(engine) as session:
        async with asyncq.after_commit(session), session.begin():
            await Welcome(name="a").dispatch()
        async with session.begin():
            await Welcome(name="b").dispatch()
            assert await waiting(app) == ["a", "b"]


async def test_blocks_within_blocks_of_one_session_are_one(app: AsyncQ, engine: AsyncEngine) -> None:
    async with app, AsyncSession(engine) as session, asyncq.after_commit(session):
        async with asyncq.after_commit(session):
            await Welcome(name="a").dispatch()
        assert await waiting(app) == []
        await Welcome(name="b").dispatch()
        await session.execute(text("SELECT 1"))
        await session.commit()
        assert await waiting(app) == ["a", "b"]


async def test_the_innermost_of_several_transactions_counts(
    app: AsyncQ, tmp_path: Path, installed: AsyncEngine
) -> None:
    other = sqlite_engine(tmp_path / "other.db")
    async with app:
        async with AsyncSession(installed) as outer, outer.begin(), AsyncSession(other) as inner:
            async with asyncq.after_commit(inner), inner.begin():
                await Welcome(name="inner").dispatch()
            assert await waiting(app) == ["inner"]
            await Welcome(name="outer").dispatch()
            assert await waiting(app) == ["inner"]
        assert await waiting(app) == ["inner", "outer"]
    await other.dispose()


async def test_a_session_inside_a_transaction_of_its_connection_waits_for_that(
    app: AsyncQ, installed: AsyncEngine
) -> None:
    async with app:
        async with installed.connect() as connection:
            outer = await connection.begin()
            session = AsyncSession(connection, join_transaction_mode="create_savepoint")
            await session.execute(text("INSERT INTO users VALUES ('x')"))
            await Welcome(name="a").dispatch()
            await session.commit()
            assert await waiting(app) == []
            await session.close()
            await outer.commit()
        assert await waiting(app) == ["a"]


async def test_tasks_that_start_inside_the_transaction_belong_to_it(app: AsyncQ, installed: AsyncEngine) -> None:
    go_on = anyio.Event()

    async def later() -> None:
        await go_on.wait()
        await Welcome(name="later").dispatch()

    async with app, anyio.create_task_group() as group:
        async with AsyncSession(installed) as session, session.begin():
            await asyncio.gather(*(Welcome(name=name).dispatch() for name in "abc"))
            group.start_soon(later)
            assert await waiting(app) == []
        assert await waiting(app) == ["a", "b", "c"]
        go_on.set()  # its transaction is over: it sends at once


async def test_two_tasks_do_not_see_each_others_transactions(app: AsyncQ, installed: AsyncEngine) -> None:
    begun, go_on = anyio.Event(), anyio.Event()

    async def holds() -> None:
        async with AsyncSession(installed) as session, session.begin():
            await Welcome(name="held").dispatch()
            begun.set()
            await go_on.wait()

    async with app:
        async with anyio.create_task_group() as group:
            group.start_soon(holds)
            await begun.wait()
            await Welcome(name="free").dispatch()
            assert await waiting(app) == ["free"]
            go_on.set()
        assert await waiting(app) == ["free", "held"]


async def test_threads_of_the_block_belong_to_it(app: AsyncQ, way: Way) -> None:
    async with app:
        async with way.transaction(asyncq.after_commit):
            await anyio.to_thread.run_sync(asyncq.blocking.dispatch, Welcome(name="a"))
            assert await waiting(app) == []
        assert await waiting(app) == ["a"]


async def test_a_broker_that_fails_after_the_commit_is_told_loudly(
    app: AsyncQ, way: Way, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(envelopes: object) -> Any:
        raise BrokerUnavailable("gone")

    handles: list[JobHandle[None]] = []
    async with app:
        with monkeypatch.context() as patch:
            patch.setattr((await app.engine()).driver("default"), "push", broken)
            with pytest.raises(BrokerUnavailable, match="gone") as caught:
                async with way.transaction(asyncq.after_commit) as tx:
                    await tx.write("Ada")
                    handles += [await Welcome(name=name).dispatch() for name in "ab"]
        assert await way.names() == ["Ada"]
        assert all(handle.id in caught.value.__notes__[0] for handle in handles)
        assert await waiting(app) == []
    (record,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert all(handle.id in record.message for handle in handles)


async def test_a_session_can_be_used_after_a_send_that_failed(
    app: AsyncQ, installed: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(envelopes: object) -> Any:
        raise BrokerUnavailable("gone")

    async with app, AsyncSession(installed) as session, installed.connect() as connection:
        for executes in (session, connection):
            await executes.execute(text("INSERT INTO users VALUES ('x')"))
            await Welcome(name="a").dispatch()
            with monkeypatch.context() as patch:
                patch.setattr((await app.engine()).driver("default"), "push", broken)
                with pytest.raises(BrokerUnavailable):
                    await executes.commit()
            await executes.rollback()
            found = await executes.execute(text("SELECT count(*) FROM users"))
            assert found.scalar_one() >= 1
            await Welcome(name="b").dispatch()
            await executes.commit()
        assert await waiting(app) == ["b", "b"]


async def test_one_job_that_is_refused_does_not_take_the_others_along(
    app: AsyncQ, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app:
        driver = (await app.engine()).driver("default")
        push = driver.push

        async def picky(envelopes: Any) -> Any:
            if any(b"bad" in envelope.body for envelope in envelopes):
                raise DriverError("it does not like it")
            return await push(envelopes)

        monkeypatch.setattr(driver, "push", picky)
        with pytest.raises(DriverError, match="does not like"):
            async with way.transaction(asyncq.after_commit):
                for name in ("a", "bad", "b"):
                    await Welcome(name=name).dispatch()
        assert await waiting(app) == ["a", "b"]


async def test_a_broker_that_is_down_keeps_no_jobs_of_another_one_back(
    no_other_app: None, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Far(Job, connection="far"):
        async def handle(self) -> None: ...

    async def broken(envelopes: object) -> Any:
        raise BrokerUnavailable("gone")

    lost: list[JobHandle[Any]] = []
    async with AsyncQ(connections={"default": "memory://", "far": "memory://far"}) as app:
        monkeypatch.setattr((await app.engine()).driver("far"), "push", broken)
        with pytest.raises(BrokerUnavailable, match="gone") as caught:
            async with AsyncSession(engine) as session, asyncq.after_commit(session), session.begin():
                lost.append(await Far().dispatch())
                await Welcome(name="a").dispatch()
                lost += (await asyncq.dispatch_many([Far(), Welcome(name="b")]))[:1]
        assert await waiting(app) == ["a", "b"]
    (note,) = caught.value.__notes__
    assert [handle.id in note for handle in lost] == [True, True]


async def test_what_one_broker_refuses_is_no_reason_to_send_twice_to_another(
    no_other_app: None, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Far(Job, connection="far"):
        async def handle(self) -> None: ...

    async def picky(envelopes: object) -> Any:
        raise DriverError("it does not like it")

    async with AsyncQ(connections={"default": "memory://", "far": "memory://far"}) as app:
        near = (await app.engine()).driver("default")
        push, pushes = near.push, list[Any]()

        async def counted(envelopes: Any) -> Any:
            pushes.append(envelopes)
            return await push(envelopes)

        monkeypatch.setattr(near, "push", counted)
        monkeypatch.setattr((await app.engine()).driver("far"), "push", picky)
        with pytest.raises(DriverError, match="does not like"):
            async with AsyncSession(engine) as session, asyncq.after_commit(session), session.begin():
                await Welcome(name="a").dispatch()
                await Far().dispatch()
        assert await waiting(app) == ["a"]
        assert len(pushes) == 1


async def test_a_job_that_its_send_runs_runs_once_whatever_the_others_do(
    no_other_app: None, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[str] = []

    class Note(Job):
        name: str

        async def handle(self) -> None:
            ran.append(self.name)
            if self.name == "bad":
                raise Oops

    async with AsyncQ("sync://"):
        with pytest.raises(Oops) as caught:
            async with AsyncSession(engine) as session, asyncq.after_commit(session), session.begin():
                for name in ("a", "bad", "b"):
                    await Note(name=name).dispatch()
                assert ran == []
    assert ran == ["a", "bad", "b"]
    assert "these jobs failed" in caught.value.__notes__[0]
    assert "could not be sent" not in caplog.text


async def test_who_is_cancelled_after_the_commit_takes_no_job_along(
    app: AsyncQ, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    sending, go_on = anyio.Event(), anyio.Event()
    async with app:
        driver = (await app.engine()).driver("default")
        push = driver.push

        async def slow(envelopes: Any) -> Any:
            sending.set()
            await go_on.wait()
            return await push(envelopes)

        async def commits() -> None:
            async with way.transaction(asyncq.after_commit) as tx:
                await tx.write("Ada")
                await Welcome(name="a").dispatch()

        with monkeypatch.context() as patch:
            patch.setattr(driver, "push", slow)
            task = asyncio.create_task(commits())
            await sending.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            go_on.set()
            await (await app.engine()).close()  # waits for what is under way
        assert await waiting(app) == ["a"]
    assert await way.names() == ["Ada"]


async def test_a_listener_that_dispatches_while_the_held_is_sent_sends_at_once(
    app: AsyncQ, installed: AsyncEngine
) -> None:
    @app.on(JobQueued)
    async def more(event: JobQueued) -> None:
        if event.queue == "default":
            await Welcome(name="more").dispatch(queue="more")

    async with app:
        for subject in (AsyncSession(installed), installed.connect()):
            async with subject as executes:
                await executes.execute(text("SELECT 1"))
                await Welcome(name="a").dispatch()
                await executes.commit()
        assert await waiting(app, "more") == ["more", "more"]


async def test_a_block_of_a_plain_connection_cannot_begin_inside_its_transaction(app: AsyncQ, tmp_path: Path) -> None:
    async with app, aiosqlite.connect(tmp_path / "plain.db") as database:
        await database.execute("CREATE TABLE t (x)")
        await database.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(ConfigError, match="put the block around it"):
            async with asyncq.after_commit(database):
                pass


async def test_a_block_of_a_plain_connection_cannot_end_inside_its_transaction(
    app: AsyncQ, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with app, aiosqlite.connect(tmp_path / "plain.db") as database:
        await database.execute("CREATE TABLE t (x)")
        with pytest.raises(ConfigError, match="commit inside the block"):
            async with asyncq.after_commit(database):
                await database.execute("INSERT INTO t VALUES (1)")
                await Welcome(name="a").dispatch()
        assert await waiting(app) == []
    assert "dropped" in caplog.text


@pytest.mark.parametrize("subject", [object(), None, AsyncSession, "session"])
def test_a_block_around_anything_else_is_refused(subject: Any) -> None:
    with pytest.raises(WrongType, match=r"after_commit\(…\) takes a SQLAlchemy AsyncSession"):
        asyncq.after_commit(subject)


async def test_anything_else_cannot_be_installed(engine: AsyncEngine) -> None:
    async with AsyncSession(engine) as session:
        for target in (object(), session, engine.sync_engine):
            with pytest.raises(WrongType, match="AsyncEngine or a"):
                asyncq.after_commit.install(target)


async def test_an_engine_that_is_not_asyncqs_business_is_left_alone(app: AsyncQ, tmp_path: Path) -> None:
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path}/other.db")
    async with app, AsyncSession(engine) as session, session.begin():
        await session.execute(text("SELECT 1"))
        await Welcome(name="a").dispatch()
        assert await waiting(app) == ["a"]
    await engine.dispose()


async def test_a_fake_keeps_the_job_at_once(way: Way) -> None:
    async with asyncq.fake() as queue:
        with pytest.raises(Oops):
            async with way.transaction(asyncq.after_commit):
                await Welcome(name="a").dispatch(after_commit=True)
                raise Oops
        assert [job.name for job in queue.of(Welcome)] == ["a"]
