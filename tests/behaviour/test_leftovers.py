"""What one job leaves behind never reaches the next, and a job that has ended is freed."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Generator
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from asyncq import AsyncQ, Job, JobContext, Next, Release, current
from asyncq.errors import NotOpen
from asyncq.events import JobProcessed
from tests.behaviour.looking import empty, eventually, failed_jobs

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_context_variables_of_one_job_never_reach_the_next(app: AsyncQ, kind: str) -> None:
    seen: list[str] = []

    async def marks(ctx: JobContext, call_next: Next, /) -> Any:
        seen.append(tenant.get())
        tenant.set("of a middleware")
        return await call_next(ctx)

    class Async(Job, middleware=[marks]):
        async def handle(self) -> None:
            tenant.set("of a job")

    class Sync(Job, middleware=[marks]):
        def handle(self) -> None:
            seen.append(f"in the thread {tenant.get()}")
            tenant.set("of a thread")

    made = Async if kind == "async" else Sync
    async with app, app.worker(concurrency=1):
        await app.dispatch_many([made() for _ in range(5)])
        await empty(app)
    assert set(seen) - {"in the thread of a middleware"} == {"nobody"}
    assert tenant.get() == "nobody"


async def test_a_retry_sees_nothing_of_the_attempt_before(app: AsyncQ) -> None:
    seen: list[tuple[str, list[int]]] = []

    class Twice(Job, tries=2):
        items: list[int]

        async def handle(self, ctx: JobContext) -> None:
            seen.append((tenant.get(), list(self.items)))
            tenant.set("attempt 1")
            self.items.append(2)
            if ctx.attempt == 1:
                raise Release

    async with app, app.worker():
        await Twice(items=[1]).dispatch()
        await empty(app)
    assert seen == [("nobody", [1]), ("nobody", [1])]


async def test_a_job_sees_the_context_of_the_workers_start_and_not_of_its_dispatch(app: AsyncQ) -> None:
    seen: list[str] = []

    class Looks(Job):
        async def handle(self) -> None:
            seen.append(tenant.get())

    async with app:
        tenant.set("host")
        async with app.worker():
            tenant.set("dispatcher")
            await Looks().dispatch()
            await empty(app)
    assert seen == ["host"]


async def test_current_is_the_job_of_the_task_or_thread_and_of_its_children(app: AsyncQ) -> None:
    seen: dict[str, set[str]] = {}

    class Looks(Job):
        name: str

        async def handle(self, ctx: JobContext) -> None:
            async def child() -> None:
                await anyio.lowlevel.checkpoint()
                seen.setdefault(self.name, set()).add(current().id)

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(child)
            seen[self.name].add(await anyio.to_thread.run_sync(lambda: current().id))

    class LooksThread(Job):
        name: str

        def handle(self, ctx: JobContext) -> None:
            seen[self.name] = {current().id, ctx.id}

    async with app, app.worker(concurrency=4):
        work = [Looks(name=f"a{number}") for number in range(4)] + [LooksThread(name=f"t{n}") for n in range(4)]
        ids = {getattr(job, "name"): (await job.dispatch()).id for job in work}  # noqa: B009 - a field of two classes
        await empty(app)
    assert seen == {name: {id} for name, id in ids.items()}
    with pytest.raises(NotOpen):
        current()


class Load:
    """Something large that a handler holds."""


def ends(how: str, ctx: JobContext) -> None:
    if how == "raises":
        raise ValueError(how)
    if how == "releases" and ctx.attempt == 1:
        ctx.release()
    if how == "skips":
        ctx.skip()


class Kept:
    """Weak references to all that must be freed."""

    def __init__(self) -> None:
        self.references: list[weakref.ref[Any]] = []

    def watch(self, *things: object) -> None:
        self.references += [weakref.ref(thing) for thing in things]

    @property
    def alive(self) -> list[Any]:
        return [thing for reference in self.references if (thing := reference()) is not None]


def classes(kept: Kept, how: str) -> dict[str, type[Job]]:
    class Async(Job, tries=2, backoff=0):
        async def handle(self, ctx: JobContext) -> Load:
            load = Load()
            kept.watch(self, load)
            await anyio.lowlevel.checkpoint()
            ends(how, ctx)
            return load

    class Sync(Job, tries=2, backoff=0):
        def handle(self, ctx: JobContext) -> Load:
            load = Load()
            kept.watch(self, load)
            ends(how, ctx)
            return load

    return {"async": Async, "sync": Sync}


class Later(Job, delay=3600):
    async def handle(self) -> None: ...


@pytest.fixture
def quiet() -> Generator[None]:
    """Make no log records: pytest keeps them, and with them errors and their frames."""
    log = logging.getLogger("asyncq")
    log.setLevel(logging.CRITICAL + 1)
    yield
    log.setLevel(logging.NOTSET)


async def freed(app: AsyncQ, kept: Kept) -> None:
    """Return when nothing is alive; the driver's thread gets other calls meanwhile, since it holds its last one."""
    with anyio.fail_after(2):
        while _alive_after_gc(kept):
            await Later().dispatch()
            await anyio.sleep(0.002)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("how", ["returns", "raises", "releases", "skips"])
@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_no_finished_job_stays_referenced(app: AsyncQ, kind: str, how: str) -> None:
    kept = Kept()
    made = classes(kept, how)[kind]
    async with app, app.worker(concurrency=3):
        await app.dispatch_many([made() for _ in range(9)])
        await empty(app)
        await freed(app, kept)
        assert len(kept.references) >= 18


def _alive_after_gc(kept: Kept) -> list[Any]:
    gc.collect()
    return kept.alive


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_job_is_freed_without_the_collector_of_cycles(kind: str) -> None:
    app, kept = AsyncQ("memory://"), Kept()
    made = classes(kept, "returns")[kind]
    gc.collect()
    gc.disable()
    try:
        async with app, app.worker(concurrency=3):
            await app.dispatch_many([made() for _ in range(9)])
            await empty(app)
            await eventually(lambda: not kept.alive, within=2)
    finally:
        gc.enable()
    assert len(kept.references) == 18


@pytest.mark.usefixtures("quiet")
async def test_a_job_that_timed_out_is_freed(app: AsyncQ) -> None:
    kept = Kept()

    class Hangs(Job, timeout=0.05):
        async def handle(self) -> None:
            kept.watch(self)
            await anyio.Event().wait()  # no timer: asyncio keeps cancelled ones, with the context that they were set in

    async with app, app.worker():
        await Hangs().dispatch()
        await empty(app)
        await freed(app, kept)
    assert kept.references


@pytest.mark.usefixtures("quiet")
async def test_a_thread_that_was_abandoned_frees_its_job_when_it_ends(app: AsyncQ) -> None:
    kept, free = Kept(), threading.Event()

    class Hangs(Job, timeout=0.05):
        def handle(self) -> None:
            kept.watch(self)
            free.wait(10)

    async with app, app.worker(concurrency=2):
        await Hangs().dispatch()
        await empty(app)
        assert kept.alive
        free.set()
        await freed(app, kept)
        assert len(await failed_jobs(app)) == 1


async def test_listeners_keep_no_job(app: AsyncQ) -> None:
    kept = Kept()
    done: list[str] = []

    @app.after
    def listen(event: JobProcessed) -> None:
        kept.watch(event.job)
        done.append(event.id)

    class Plain(Job):
        async def handle(self) -> None: ...

    async with app, app.worker():
        await app.dispatch_many([Plain() for _ in range(5)])
        await eventually(lambda: len(done) == 5)
        await freed(app, kept)


async def dispatch_twice(job: Job, kept: Kept) -> None:
    kept.watch(job)
    await job.dispatch()
    await job.dispatch()


async def test_a_dispatched_job_is_not_kept_by_who_dispatched_it(app: AsyncQ) -> None:
    kept = Kept()

    class Plain(Job, unique=True):
        number: int

        async def handle(self) -> None: ...

    async with app:
        for number in range(5):
            await dispatch_twice(Plain(number=number), kept)
        await freed(app, kept)


@pytest.mark.usefixtures("quiet")
async def test_the_error_of_a_failed_job_is_not_kept(app: AsyncQ) -> None:
    kept = Kept()

    class Large(Exception):
        pass

    class Ends(Job):
        async def handle(self) -> None:
            error = Large()
            kept.watch(error)
            try:
                raise error
            finally:
                del error

    async with app, app.worker():
        await Ends().dispatch()
        await empty(app)
        await freed(app, kept)
    assert len(kept.references) == 1
