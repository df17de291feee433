"""Models by reference: loaded again before anything sees the job, in a session that ends with its run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
from sqlalchemy import inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, selectinload, sessionmaker

import asyncq
from asyncq import INJECT, AsyncQ, Depends, Job, JobContext, Next, Release, dispatch_many, job
from asyncq.errors import ConfigError, EncodeError, IncompleteApp, ModelNotFound
from asyncq.events import JobFailed, JobProcessed, JobProcessing
from asyncq.models import Reference
from asyncq.worker.options import WorkerOptions
from asyncq.worker.supervisor import Supervisor
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs
from tests.support.shared import Shared
from tests.unit.models.shop import Database, Order, Person, database_of, sync_database


@pytest.fixture
async def db(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared) -> AsyncIterator[Database]:
    """An empty database: SQLite, or what a test's parameter says."""
    async with database_of(getattr(request, "param", "sqlite"), tmp_path, servers) as found:
        yield found


everywhere = pytest.mark.parametrize("db", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def sync_sessions(tmp_path: Path) -> Iterator[sessionmaker[Session]]:
    with sync_database(tmp_path / "shop.db") as made:
        yield made


@pytest.fixture
def shop(url: str, db: Database, no_other_app: None) -> AsyncQ:
    """An app that loads from the database; it is not open."""
    return AsyncQ(url, session=db.make)


@pytest.fixture
def memory(db: Database, no_other_app: None) -> AsyncQ:
    return AsyncQ("memory://", session=db.make)


def who(job: Job) -> object:
    """Return the name of a job's person."""
    return vars(job)["person"].name


async def ran(app: AsyncQ, *jobs: Job) -> None:
    async with app, app.worker():
        await app.dispatch_many(jobs)
        await empty(app)


async def put_ada(db: Database) -> Person:
    ada = Person(id=1, name="ada")
    await db.put(ada)
    return ada


async def name_of(db: Database, id: int = 1) -> str:
    async with db.make() as session:
        return (await session.get_one(Person, id)).name


# --- loading ----------------------------------------------------------------------------------------------------------


async def test_a_worker_loads_what_holds_when_the_job_runs(shop: AsyncQ, db: Database) -> None:
    seen: list[Any] = []

    class Greet(Job):
        person: Person
        orders: list[Order]

        async def handle(self) -> None:
            seen.extend([self.person, self.person.name, [item.number for item in self.person.orders], self.orders])

    first, second = Order(year=1, number="a"), Order(year=1, number="b")
    await db.put(ada := Person(id=1, name="ada", orders=[first, second]))
    async with shop:
        await Greet(person=ada, orders=[second, first]).dispatch()
        await db.remove(first)
        async with db.make() as session:
            (await session.get_one(Person, 1)).name = "Ada Lovelace"
            await session.commit()
        async with shop.worker():
            await empty(shop)
    person, name, numbers, orders = seen
    assert person is not ada
    assert (name, numbers) == ("Ada Lovelace", ["b"])
    assert [item.number for item in orders] == ["b"]


async def test_everything_around_the_handler_sees_instances(memory: AsyncQ, db: Database) -> None:
    seen: dict[str, object] = {}

    async def around_all(ctx: JobContext, call_next: Next, /) -> object:
        seen["app"] = who(ctx.job)
        return await call_next(ctx)

    async def around(ctx: JobContext, call_next: Next, /) -> object:
        seen["own"] = type(ctx.job)
        return await call_next(ctx)

    class Greet(Job):
        person: Person

        def middleware(self) -> list[Any]:
            seen["middleware"] = self.person.name
            return [around]

        def tags(self) -> list[str]:
            return [f"person:{self.person.id}"]

        async def handle(self, name: Annotated[str, Depends(who)]) -> None:
            current: Any = asyncq.current().job
            seen["handle"] = (name, current is self)

    ada = await put_ada(db)
    app = AsyncQ("memory://", session=db.make, middleware=[around_all])
    heard = Heard(app, JobProcessing, JobProcessed)
    await ran(app, Greet(person=ada))
    assert seen == {"app": "ada", "middleware": "ada", "own": Greet, "handle": ("ada", True)}
    (processing,), (processed,) = heard.of(JobProcessing), heard.of(JobProcessed)
    assert vars(processing.job) == {"person": Reference(Person, (1,))}  # it is told before
    assert who(processed.job) == "ada"


async def test_a_new_row_is_there_when_its_job_comes_after_the_commit(memory: AsyncQ, db: Database) -> None:
    names: list[str] = []

    class Greet(Job):
        person: Person

        async def handle(self) -> None:
            names.append(self.person.name)

    async with memory, memory.worker():
        async with db.make() as session, asyncq.after_commit(session), session.begin():
            session.add(ada := Person(name="ada"))
            await session.flush()
            await Greet(person=ada).dispatch()
        await eventually(lambda: names == ["ada"])


async def test_function_jobs_carry_models_too(memory: AsyncQ, db: Database) -> None:
    @job
    async def greet(person: Person, /, session: AsyncSession = INJECT) -> str:
        assert inspect(person).session is session.sync_session
        return person.name

    ada = await put_ada(db)
    async with memory:
        assert await greet.bind(ada).dispatch_sync() == "ada"


async def test_each_attempt_loads_anew(memory: AsyncQ, db: Database) -> None:
    seen: list[Person] = []

    class Greet(Job, tries=3):
        person: Person

        async def handle(self, ctx: JobContext) -> None:
            seen.append(self.person)
            self.person.name = "changed and not committed"
            if ctx.attempt < 3:
                raise Release

    await ran(memory, Greet(person=await put_ada(db)))
    assert len({id(item) for item in seen}) == 3
    assert await name_of(db) == "ada"


@pytest.mark.parametrize("scheme", ["memory", "sync"])
async def test_a_job_that_runs_here_and_now_is_loaded_too(db: Database, no_other_app: None, scheme: str) -> None:
    seen: list[Person] = []

    class Greet(Job):
        person: Person

        async def handle(self) -> str:
            seen.append(self.person)
            return self.person.name

    ada = await put_ada(db)
    async with AsyncQ(f"{scheme}://", session=db.make):
        if scheme == "sync":
            await Greet(person=ada).dispatch()
        else:
            assert await Greet(person=ada).dispatch_sync() == "ada"
    assert seen[0] is not ada and seen[0].id == 1


async def test_a_loading_that_fails_is_tried_again(
    memory: AsyncQ, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Greet(Job, tries=2):
        person: Person

        async def handle(self) -> None: ...

    failures = iter([OSError("no route to the database")])
    execute = AsyncSession.run_sync

    async def flaky(self: AsyncSession, *arguments: Any, **named: Any) -> Any:
        for failure in failures:
            raise failure
        return await execute(self, *arguments, **named)

    ada = await put_ada(db)
    monkeypatch.setattr(AsyncSession, "run_sync", flaky)
    heard = Heard(memory)
    await ran(memory, Greet(person=ada))
    await heard.until(JobProcessed)
    assert "JobReleasedAfterException" in heard.names
    assert db.in_use == 0


# --- the session ------------------------------------------------------------------------------------------------------


async def test_the_handler_is_given_the_session_and_commits_itself(shop: AsyncQ, db: Database) -> None:
    class Rename(Job):
        person: Person
        commit: bool

        async def handle(self, session: AsyncSession) -> None:
            self.person.name = "committed" if self.commit else "lost"
            await session.flush()
            if self.commit:
                await session.commit()

    ada = await put_ada(db)
    await ran(shop, Rename(person=ada, commit=True))
    assert await name_of(db) == "committed"
    await ran(shop, Rename(person=ada, commit=False))
    assert await name_of(db) == "committed"
    assert db.in_use == 0


@everywhere
async def test_the_handler_may_open_a_transaction_of_its_own_as_in_any_session(shop: AsyncQ, db: Database) -> None:
    class Rename(Job):
        person: Person

        async def handle(self, session: AsyncSession) -> None:
            assert not session.in_transaction()
            async with session.begin():
                self.person.name = "committed"

    await ran(shop, Rename(person=await put_ada(db)))
    assert await name_of(db) == "committed"


@everywhere
async def test_no_connection_is_held_before_the_handler_asks_for_something(memory: AsyncQ, db: Database) -> None:
    seen: list[Any] = []

    class Greet(Job):
        person: Person

        async def handle(self, session: AsyncSession) -> None:
            seen.extend([len(db.selects), db.in_use, self.person.name, self.person.orders[0].number])
            assert self.person in session and self.person.orders[0] in session
            seen.extend([len(db.selects), db.in_use])
            await session.refresh(self.person)
            seen.append(db.in_use)

    await db.put(Person(id=1, name="ada", orders=[Order(year=1, number="a")]))
    async with db.make() as session:
        ada = (await session.scalars(select(Person).options(selectinload(Person.orders)))).one()
    assert len(db.selects) == 2
    await ran(memory, Greet(person=ada))
    assert seen == [2, 0, "ada", "a", 0, 0, 1]


async def test_dependencies_receive_the_same_session(memory: AsyncQ, db: Database) -> None:
    seen: list[AsyncSession] = []

    class Repository:
        def __init__(self, session: AsyncSession) -> None:
            self.session = session

    class Greet(Job):
        person: Person

        async def handle(self, session: AsyncSession, repository: Annotated[Repository, Depends(Repository)]) -> None:
            seen.extend([session, repository.session])
            assert inspect(self.person).session is session.sync_session

    await ran(memory, Greet(person=await put_ada(db)))
    assert seen[0] is seen[1]


async def test_a_job_without_models_may_ask_for_its_session(memory: AsyncQ, db: Database) -> None:
    seen: list[AsyncSession] = []

    class Count(Job):
        async def handle(self, session: AsyncSession) -> None:
            seen.append(session)
            session.add(Person(id=7))
            await session.flush()

    await ran(memory, Count(), Count())
    assert len({id(session) for session in seen}) == 2
    assert db.in_use == 0
    async with db.make() as session:
        assert await session.get(Person, 7) is None


async def test_a_job_within_a_job_has_a_session_of_its_own(memory: AsyncQ, db: Database) -> None:
    seen: list[AsyncSession] = []

    class Inner(Job):
        async def handle(self, session: AsyncSession) -> None:
            seen.append(session)

    class Outer(Job):
        person: Person

        async def handle(self, session: AsyncSession) -> None:
            await Inner().dispatch_sync()
            seen.append(session)
            assert inspect(self.person).session is session.sync_session

    await ran(memory, Outer(person=await put_ada(db)))
    assert len({id(session) for session in seen}) == 2


async def test_a_test_may_override_the_session_by_its_type(memory: AsyncQ, db: Database) -> None:
    seen: list[object] = []

    class Count(Job):
        async def handle(self, session: AsyncSession) -> None:
            seen.append(session)

    async with memory, db.make() as mine:
        with memory.override(AsyncSession, lambda: mine):
            await Count().dispatch_sync()
        await Count().dispatch_sync()
    assert seen[0] is mine and seen[1] is not mine


@everywhere
@pytest.mark.parametrize("end", ["return", "error", "release", "skip", "exit", "timeout", "cancelled"])
async def test_the_session_is_rolled_back_and_closed_whatever_happens(memory: AsyncQ, db: Database, end: str) -> None:
    started, held = asyncio.Event(), list[int]()

    class Ends(Job, tries=1):
        person: Person

        async def handle(self, session: AsyncSession, ctx: JobContext) -> None:
            self.person.name = "never committed"
            await session.flush()
            held.append(db.in_use)
            started.set()
            match end:
                case "error":
                    raise LookupError
                case "release" if ctx.attempt == 1:
                    ctx.release()
                case "skip":
                    ctx.skip()
                case "exit":
                    raise SystemExit
                case "timeout" | "cancelled":
                    await anyio.sleep_forever()
                case _:
                    return

    ada = await put_ada(db)
    async with memory, memory.worker():
        handle = await Ends(person=ada).dispatch(
            timeout=0.1 if end == "timeout" else 0, tries=2 if end == "release" else 1
        )
        await started.wait()
        if end == "cancelled":
            await handle.cancel()
        await empty(memory)
    assert set(held) == {1}
    assert db.in_use == 0
    assert await name_of(db) == "ada"


async def test_a_timeout_covers_the_loading(memory: AsyncQ, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    class Greet(Job, timeout=0.05):
        person: Person

        def handle(self) -> None: ...

    async def forever(*arguments: Any) -> Any:
        await anyio.sleep_forever()

    ada = await put_ada(db)
    monkeypatch.setattr(AsyncSession, "run_sync", forever)
    async with memory, memory.worker():
        await Greet(person=ada).dispatch()
        await empty(memory)
        (record,) = await failed_jobs(memory)
    assert record.error.startswith("JobTimeout")


async def test_instances_keep_their_values_when_the_session_is_closed(memory: AsyncQ, db: Database) -> None:
    names: list[str] = []

    class Greet(Job):
        person: Person

        async def handle(self) -> None: ...

    @memory.after
    def note(event: JobProcessed) -> None:
        found: Any = event.job
        names.append(found.person.name)

    ada = await put_ada(db)
    async with memory, memory.worker():
        await Greet(person=ada).dispatch()
        await eventually(lambda: bool(names))
    assert names == ["ada"]


async def test_a_handler_in_a_thread_uses_a_session_that_is_not_async(
    url: str, sync_sessions: sessionmaker[Session], no_other_app: None
) -> None:
    threads: list[object] = []

    class Rename(Job):
        person: Person

        def handle(self, session: Session) -> None:
            threads.append(threading.current_thread())
            assert inspect(self.person).session is session
            with session.begin():
                self.person.name = f"{self.person.orders[0].number}!"  # loaded here, at the first look

    with sync_sessions() as session:
        session.add(ada := Person(id=1, orders=[Order(year=1, number="a")]))
        session.commit()
        session.refresh(ada, ["id"])
    await ran(AsyncQ(url, session=sync_sessions), Rename(person=ada))
    with sync_sessions() as session:
        assert session.get_one(Person, 1).name == "a!"
    assert threads and threads[0] is not threading.main_thread()


# --- what is gone -----------------------------------------------------------------------------------------------------


async def test_a_job_whose_model_is_gone_fails_at_once(shop: AsyncQ, db: Database) -> None:
    told: list[tuple[object, object]] = []

    class Greet(Job, tries=5):
        person: Person

        async def handle(self) -> None:
            raise AssertionError

        async def failed(self, error: BaseException) -> None:
            told.append((error, self.person))

    ada = await put_ada(db)
    await db.remove(ada)
    heard = Heard(shop, JobFailed)
    async with shop, shop.worker():
        await Greet(person=ada).dispatch()
        await heard.until(JobFailed)
        await empty(shop)
        (record,) = await failed_jobs(shop)
    assert record.error.startswith("ModelNotFound: Person 1 is gone: it was deleted after the dispatch")
    assert record.attempts == 1
    ((error, person),) = told
    assert isinstance(error, ModelNotFound)
    assert (error.model, error.key) == (Person, (1,))
    assert person == Reference(Person, (1,))


async def test_with_delete_when_missing_such_a_job_is_done_quietly(
    shop: AsyncQ, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    class Greet(Job, tries=5, delete_when_missing=True, unique=True):
        person: Person

        async def handle(self) -> None:
            raise AssertionError

        async def failed(self, error: BaseException) -> None:
            raise AssertionError

    ada = await put_ada(db)
    await db.remove(ada)
    heard = Heard(shop)
    caplog.set_level("INFO", "asyncq")
    async with shop, shop.worker():
        for _ in range(2):
            assert (await Greet(person=ada).dispatch()).created  # the unique key of the one before is free
            await empty(shop)
        await heard.until(JobProcessed, 2)
        assert list(await failed_jobs(shop)) == []
    assert not heard.of(JobFailed)
    assert [record.levelname for record in caplog.records if "Person 1 is gone" in record.message] == ["INFO", "INFO"]


async def test_a_missing_model_is_told_to_who_runs_the_job_here(memory: AsyncQ, db: Database) -> None:
    class Greet(Job):
        person: Person

        async def handle(self) -> None: ...

    class Quiet(Greet, delete_when_missing=True):
        async def handle(self) -> None: ...

    ada = await put_ada(db)
    await db.remove(ada)
    async with memory:
        with pytest.raises(ModelNotFound, match="Person 1 is gone"):
            await Greet(person=ada).dispatch_sync()
        await Quiet(person=ada).dispatch_sync()


async def test_failed_is_called_with_models_that_were_loaded_again(memory: AsyncQ, db: Database) -> None:
    told: list[Any] = []

    class Greet(Job):
        person: Person
        orders: list[Order]

        async def handle(self, session: AsyncSession) -> None:
            told.append(self.person)
            self.person.name = "changed"
            raise LookupError

        async def failed(self, error: BaseException) -> None:
            told.extend([self.person, self.person.name, [order.number for order in self.orders]])

    order, other = Order(year=1, number="a"), Order(year=1, number="b")
    await db.put(ada := Person(id=1, name="ada"), order, other)
    await db.remove(other)
    await ran(memory, Greet(person=ada, orders=[other, order]))
    assert told[0] is not told[1]
    assert told[2:] == ["ada", ["a"]]
    assert db.in_use == 0


async def test_failed_is_called_also_where_nothing_can_be_loaded(
    memory: AsyncQ, db: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[object] = []

    class Greet(Job):
        person: Person
        people: list[Person]

        async def handle(self) -> None: ...

        async def failed(self, error: BaseException) -> None:
            told.extend([repr(error), self.person, self.people])

    async def broken(*arguments: Any) -> Any:
        raise OSError("no route to the database")

    ada = await put_ada(db)
    monkeypatch.setattr(AsyncSession, "run_sync", broken)
    await ran(memory, Greet(person=ada, people=[ada]))
    reference = Reference(Person, (1,))
    assert told == ["OSError('no route to the database')", reference, [reference]]
    assert "gets its models as references" in caplog.text


# --- refusals ---------------------------------------------------------------------------------------------------------


async def test_without_a_session_it_is_refused_where_the_job_is_first_to_run(no_other_app: None, db: Database) -> None:
    class Greet(Job):
        person: Person

        async def handle(self) -> None: ...

    ada = await put_ada(db)
    async with AsyncQ("memory://") as app:
        await Greet(person=ada).dispatch()  # its worker may have one
        with pytest.raises(ConfigError, match=r"Greet: its models are loaded in a session.*session=async_sessionmaker"):
            await Greet(person=ada).dispatch_sync()
        del app


async def test_a_session_in_another_process_is_refused(memory: AsyncQ) -> None:
    class Far(Job, run_in="process"):
        def handle(self, session: AsyncSession) -> None: ...

    async with memory:
        with pytest.raises(ConfigError, match="Far: the app opens the session of the job, but the handler"):
            await Far().dispatch_sync()


def plain() -> object:
    return object()


def annotated() -> AsyncSession:
    raise NotImplementedError


@pytest.mark.parametrize("session", [AsyncSession, "sqlite://", plain, lambda: None, 7])
def test_what_makes_no_sessions_is_refused(session: Any, no_other_app: None) -> None:
    with pytest.raises(ConfigError, match="AsyncQ: session takes an async_sessionmaker"):
        AsyncQ("memory://", session=session)
    AsyncQ("memory://", session=annotated)


async def test_a_dispatch_of_what_is_not_stored_pushes_nothing(memory: AsyncQ, db: Database) -> None:
    class Greet(Job):
        person: Person

        async def handle(self) -> None: ...

    ada = await put_ada(db)
    async with memory:
        with pytest.raises(EncodeError, match=r"Greet\.person: this Person has no row yet"):
            await dispatch_many([Greet(person=ada), Greet(person=Person(id=2))])
        await empty(memory)


async def test_unique_by_a_model_means_its_row(memory: AsyncQ, db: Database) -> None:
    class Greet(Job, unique_by=["person"]):
        person: Person

        async def handle(self) -> None: ...

    await db.put(ada := Person(id=1, orders=[Order(year=1, number="a")]), bob := Person(id=2))
    async with db.make() as session:
        same = (await session.scalars(select(Person).where(Person.id == 1).options(selectinload(Person.tags)))).one()
    async with memory:
        assert (await Greet(person=ada).dispatch()).created
        assert not (await Greet(person=same).dispatch()).created
        assert (await Greet(person=bob).dispatch()).created


# --- tests of users ---------------------------------------------------------------------------------------------------


class Invite(Job):
    person: Person

    async def handle(self) -> str:
        return self.person.name


async def test_a_fake_keeps_the_very_instance_and_needs_no_session(db: Database, no_other_app: None) -> None:
    ada = await put_ada(db)
    async with asyncq.fake() as queue:
        await Invite(person=ada).dispatch()
        queue.assert_dispatched(Invite, lambda invite: invite.person.name == "ada", times=1)
        assert queue.of(Invite)[0].person is ada
        with pytest.raises(EncodeError, match="has no row yet"):
            await Invite(person=Person(id=2)).dispatch()
        queue.assert_count(1)


async def test_a_fake_and_a_single_run_load_from_the_database(db: Database, memory: AsyncQ) -> None:
    ada = await put_ada(db)
    async with asyncq.fake() as queue:
        await Invite(person=ada).dispatch()
        (outcome,) = await queue.run()
        assert outcome.result == "ada"
    outcome = await asyncq.testing.run(Invite(person=ada), app=memory)
    assert outcome.result == "ada"
    await db.remove(ada)
    gone = await asyncq.testing.run(Invite(person=ada), app=memory)
    assert isinstance(gone.error, ModelNotFound)


async def test_a_worker_beside_another_app_is_not_kept_from_work_by_models(
    no_other_app: None, caplog: pytest.LogCaptureFixture
) -> None:
    """The class may be the other one's; a worker in a process of its own refuses to start."""

    class Everywhere(Job):
        person: Person

        async def handle(self) -> None: ...

    Everywhere.__qualname__ = "Everywhere"  # as if it stood in a module
    async with AsyncQ("memory://") as app:
        engine = await app.engine()
        assert Supervisor(engine, WorkerOptions(), _nothing, beside=True).options.concurrency
        with pytest.raises(IncompleteApp):
            Supervisor(engine, WorkerOptions(), _nothing)
    Everywhere.abstract_ = True  # no job of tests to come
    assert "jobs of a class will fail, if they are this app's: Everywhere: its models" in caplog.text


def _nothing(*_: object) -> None:
    """Stands for what ends a worker that is stuck."""
