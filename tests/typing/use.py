"""What must type-check, with exactly these types. Never run: the type checkers read it (test_promise.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, assert_type

from fastapi import FastAPI
from litestar import Litestar
from litestar.middleware import DefineMiddleware
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker
from starlette.applications import Starlette

import asyncq
from asyncq import (
    INJECT,
    AsyncQ,
    Depends,
    Fail,
    Job,
    JobContext,
    JobHandle,
    JobProgress,
    LockTimeout,
    Next,
    Progress,
    Release,
    Skip,
    dispatch_many,
    field,
    job,
)
from asyncq.asgi import QueueMiddleware
from asyncq.errors import ModelNotFound
from asyncq.models import WithoutRelations, without_relations
from asyncq.testing import RunOutcome


class SendMail(Job, queue="mail", tries=5, timeout=30, backoff=[1, 10, 60]):
    to: str
    body: str = ""
    token: str = field(default="", redact=True)
    tags_seen: list[str] = field(default_factory=list[str])

    async def handle(self, ctx: JobContext) -> str:
        if ctx.attempt > 1:
            ctx.release(timedelta(minutes=1))
        return self.to

    async def failed(self, error: BaseException, /) -> None: ...


class Resize(Job, run_in="thread"):
    path: str

    def handle(self) -> int:
        return 3


class Touchy(Job):
    async def handle(self) -> None:
        raise Release(delay=timedelta(seconds=5)) from None


class Base(Job, abstract=True, tries=3):
    tenant: int


class Report(Base, timeout=timedelta(minutes=5)):
    month: str
    rows: int | None = None

    async def handle(self) -> list[str]:
        match self.tenant:
            case 0:
                raise Skip("no tenant")
            case 1:
                raise Fail(ValueError("gone"))
            case _:
                return [self.month]


@job(queue="mail", tries=3)
async def send_mail(to: str, *, body: str = "") -> str:
    return to + body


@job
def crunch(n: int) -> float:
    return n / 2


@job
async def bare() -> None: ...


@job(run_in="thread")
def hash_file(path: str) -> bytes:
    return path.encode()


async def main(*, active: bool) -> None:
    h = await SendMail(to="x").dispatch()
    assert_type(h, JobHandle[str])
    assert_type(h.id, str)
    assert_type(h.created, bool)
    assert_type(await Resize(path="a").dispatch(queue="cpu", delay=timedelta(seconds=3)), JobHandle[int])
    assert_type(await Touchy().dispatch(), JobHandle[None])
    assert_type(await Report(tenant=1, month="May").dispatch(tries=1), JobHandle[list[str]])
    assert_type(await SendMail(to="x").dispatch_if(active, queue="high"), JobHandle[str] | None)
    assert_type(await SendMail(to="x").dispatch_unless(active), JobHandle[str] | None)
    assert_type(await SendMail(to="x").dispatch_sync(), str)
    assert_type(await Resize(path="a").dispatch_sync(), int)
    assert_type(await SendMail(to="x").dispatch_after_response(), None)

    assert_type(await send_mail.dispatch("x", body="b"), JobHandle[str])
    assert_type(await send_mail.options(queue="high", delay=60).dispatch(to="x"), JobHandle[str])
    assert_type(await send_mail("x"), str)
    assert_type(await crunch.dispatch(4), JobHandle[float])
    assert_type(crunch(4), float)
    assert_type(await bare.dispatch(), JobHandle[None])
    assert_type(hash_file("x"), bytes)
    assert_type(await hash_file.dispatch("x"), JobHandle[bytes])
    assert_type(await send_mail.bind("x").dispatch(delay=3), JobHandle[str])
    assert_type(await send_mail.bind("x").dispatch_sync(), str)
    assert_type(await send_mail.bind("x").dispatch_after_response(), None)
    assert_type(await send_mail.dispatch_sync("x", body="b"), str)
    assert_type(await crunch.dispatch_sync(4), float)
    assert_type(await send_mail.dispatch_after_response("x", body="b"), None)
    assert_type(await send_mail.dispatch_if(active, "x", body="b"), JobHandle[str] | None)
    assert_type(await crunch.dispatch_unless(active, 4), JobHandle[float] | None)
    assert_type(await send_mail.bind("x").dispatch_if(active, queue="q"), JobHandle[str] | None)
    assert_type(await send_mail.bind("x").dispatch_unless(active), JobHandle[str] | None)

    many = await dispatch_many([SendMail(to="x"), crunch.bind(3)], queue="bulk")
    assert_type(many, Sequence[JobHandle[Any]])


class Charge(Job, after_commit=True):
    amount: int

    async def handle(self, ctx: JobContext) -> int:
        await ctx.complete(tx=object(), result=self.amount)
        await asyncq.complete(tx=object())
        return self.amount


@job(after_commit=False)
async def note(text: str) -> None: ...


async def in_transactions(session: object, connection: object) -> None:
    assert_type(await Charge(amount=1).dispatch(tx=session), JobHandle[int])
    assert_type(await Charge(amount=1).dispatch(after_commit=False), JobHandle[int])
    assert_type(await note.options(tx=connection).dispatch("x"), JobHandle[None])
    await dispatch_many([Charge(amount=1), note.bind("x")], tx=session)
    async with asyncq.after_commit(session):
        await note.dispatch("x")
    asyncq.after_commit.install(session)
    asyncq.Connection("memory://", after_commit=True)


class Throttle:
    async def __call__(self, ctx: JobContext, call_next: Next, /) -> Any:
        return await call_next(ctx)


async def timing(ctx: JobContext, call_next: Next, /) -> Any:
    return await call_next(ctx)


class Charged(Job, middleware=[Throttle(), timing]):
    async def handle(self) -> None: ...


queue = asyncq.AsyncQ(
    connections={"main": "sqlite:///queue.db", "side": asyncq.Connection("memory://", lease=5)},
    default="main",
    middleware=[Throttle(), timing],
)


async def work() -> None:
    async with queue as app, app.worker("mail", "default", concurrency=20):
        await SendMail(to="x").dispatch()


async def answer() -> str:
    return "x"


async def gates() -> None:
    async with queue.lock("key", ttl=timedelta(minutes=1), wait=None) as lock:
        assert_type(await lock.extend(5), bool)
        assert_type(lock.owner, str | None)
        assert_type(await lock.holder(), str | None)
    async with queue.funnel("key", limit=2, ttl=60, wait=timedelta(seconds=3), connection="side") as funnel:
        assert_type((await funnel.state()).remaining, int)
    async with queue.throttle("key", limit=10, per=timedelta(hours=1), sliding=True) as state:
        assert_type(state.allowed, bool)
    assert_type(await queue.lock("key").acquire(), bool)
    assert_type(await queue.throttle("key", limit=1, per=1).then(bare), None)
    assert_type(await queue.funnel("key", limit=1).then(answer), str)
    assert_type(await queue.lock("key").then(lambda: 3), int)
    try:
        await queue.lock("key").release()
    except LockTimeout as closed:
        assert_type(closed.retry_after, float | None)


class Mailer:
    async def send(self, to: str) -> str:
        return to


async def get_mailer() -> AsyncIterator[Mailer]:
    yield Mailer()


class Uses(Job, keep_result=timedelta(minutes=5)):
    to: str

    async def handle(
        self, mailer: Annotated[Mailer, Depends(get_mailer, scope="app")], ctx: JobContext, tell: Progress
    ) -> list[str]:
        await ctx.progress(1, 2)
        await tell(2, 2)
        return [await mailer.send(self.to)]


@job(keep_result=60)
async def injected(to: str, mailer: Annotated[Mailer, Depends(get_mailer)] = INJECT) -> bool:
    return bool(await mailer.send(to))


@job
async def marked(to: str, *, mailer: Mailer = Depends(get_mailer)) -> int:
    return len(await mailer.send(to))


async def handles() -> None:
    handle = await Uses(to="x").dispatch()
    assert_type(await handle.result(timeout=5), list[str])
    assert_type(await handle.result(timeout=timedelta(seconds=5)), list[str])
    assert_type(await handle.status(), Literal["queued", "running", "done", "failed", "cancelled"])
    assert_type(await handle.cancel(), bool)
    async for progress in handle.watch():
        assert_type(progress, JobProgress)
        assert_type(progress.fraction, float)
    assert_type(await injected.dispatch("x"), JobHandle[bool])
    assert_type(await marked.dispatch("x"), JobHandle[int])
    assert_type(queue.handle("id", Uses), JobHandle[list[str]])
    assert_type(queue.handle("id", Resize), JobHandle[int])
    assert_type(queue.handle("id", injected), JobHandle[bool])
    assert_type(queue.handle("id"), JobHandle[Any])
    with queue.override(get_mailer, Mailer):
        queue.bind(Uses, bound)


async def bound(job: Uses, ctx: JobContext) -> None:
    assert_type(job.to, str)


def without_a_loop() -> None:
    handle = asyncq.blocking.dispatch(Uses(to="x"), queue="low")
    assert_type(handle, JobHandle[list[str]])
    assert_type(asyncq.blocking.dispatch(Resize(path="x")), JobHandle[int])
    assert_type(asyncq.blocking.dispatch(injected.bind("x")), JobHandle[bool])
    assert_type(asyncq.blocking.result(handle, timeout=5), list[str])
    assert_type(asyncq.blocking.call(handle.cancel), bool)
    assert_type(asyncq.blocking.dispatch_sync(Uses(to="x")), list[str])
    asyncq.blocking.dispatch_after_response(Uses(to="x"))
    asyncq.blocking.dispatch_after_response(injected.bind("x"))


def web_applications() -> None:
    Starlette().add_middleware(asyncq.asgi.QueueMiddleware)
    FastAPI(lifespan=queue.lifespan()).add_middleware(QueueMiddleware, grace=timedelta(seconds=5))
    Litestar(middleware=[QueueMiddleware])
    Litestar(middleware=[DefineMiddleware(QueueMiddleware, grace=5)])
    QueueMiddleware(QueueMiddleware(Starlette()), grace=0.5)


def is_to_ada(to: str, *, body: str) -> bool:
    return to == "ada" and not body


async def tests_of_users() -> None:
    async with asyncq.fake() as q:
        assert_type(q.assert_dispatched(SendMail, lambda mail: mail.to == "x", times=1), list[SendMail])
        assert_type(q.assert_dispatched(send_mail, is_to_ada, queue="mail", delay=timedelta(hours=1)), list[Job])
        assert_type(q.assert_dispatched_fn(send_mail, "x", body="b"), None)
        q.assert_dispatched_fn(crunch, 3)
        q.assert_not_dispatched(Report, lambda report: report.month == "May")
        assert_type(q.assert_dispatched_sync(Resize), list[Resize])
        assert_type(q.assert_dispatched_after_response(SendMail, lambda mail: mail.to == "x", times=1), list[SendMail])
        assert_type(q.assert_dispatched_after_response(send_mail, is_to_ada), list[Job])
        q.assert_not_dispatched_after_response(Report, lambda report: report.month == "May")
        assert_type(q.dispatched_after_response, list[Job])
        assert_type(q.of(SendMail), list[SendMail])
        assert_type(q.records_of(SendMail)[0].job.to, str)
        assert_type(q.dispatched, list[Job])
        q.answer(SendMail, "x")
        assert_type(await q.run("mail", within=timedelta(hours=24)), Sequence[RunOutcome[Any]])
    with asyncq.fake(SendMail, send_mail), asyncq.fake(except_=[Report, crunch]):
        pass
    outcome = await asyncq.testing.run(SendMail(to="x"), attempt=3, timeout=timedelta(seconds=1))
    assert_type(outcome.result, str)
    assert_type(outcome.delay, float | None)
    assert_type((await asyncq.testing.run(Resize(path="a"), app=queue)).result, int)
    assert_type((await asyncq.testing.run(send_mail.bind("x"), exceptions=1, crashes=1)).result, str)
    async with asyncq.testing.clock() as time, AsyncQ("memory://") as app:
        time.advance(timedelta(days=1))
        time.advance(hours=24, seconds=0.5)
        assert_type(await asyncq.testing.drain(app, within=3600), Sequence[RunOutcome[Any]])


class Table(DeclarativeBase): ...


class User(Table):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class Greet(Job, delete_when_missing=True):
    user: User
    other: Annotated[User | None, WithoutRelations] = None
    users: list[User] = field(default_factory=list[User])

    async def handle(self, session: AsyncSession) -> str:
        return self.user.name


@job(delete_when_missing=False)
async def greet(user: User, session: AsyncSession = INJECT) -> int:
    return user.id


async def models(user: User, engine: AsyncEngine) -> None:
    async with AsyncQ("memory://", session=async_sessionmaker(engine)):
        assert_type(await Greet(user=user, users=[user, without_relations(user)]).dispatch_sync(), str)
        assert_type(await greet.bind(user).dispatch_sync(), int)
    AsyncQ("memory://", session=sessionmaker(engine.sync_engine))
    try:
        await Greet(user=asyncq.models.without_relations(user)).dispatch()
    except ModelNotFound as error:
        assert_type(error.key, tuple[object, ...])
    async with asyncq.fake() as q:
        assert_type(q.assert_dispatched(Greet, lambda greet: greet.user.name == "x"), list[Greet])
