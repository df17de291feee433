"""Dispatching and waiting from code without an event loop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import anyio
import pytest

import asyncq
from asyncq import AsyncQ, Job, JobContext, blocking, job
from asyncq.errors import ConfigError, JobFailure
from asyncq.events import JobProcessed
from tests.behaviour.looking import Heard, empty, size_of


class Adds(Job, keep_result=60):
    a: int
    b: int = 1

    async def handle(self) -> int:
        return self.a + self.b


@job(keep_result=60)
def times(a: int) -> int:
    if a < 0:
        raise ValueError("negative")
    return 2 * a


@pytest.fixture(autouse=True)
def nothing_of_another_test() -> Iterator[None]:
    yield
    blocking.close()


def test_a_program_without_a_loop_dispatches_and_another_works(url: str) -> None:
    app = AsyncQ(url)
    handle = blocking.dispatch(Adds(a=1), delay=0)
    assert handle.created
    more = blocking.dispatch_many([Adds(a=2), times.bind(3)])

    async def work() -> None:
        async with app, app.worker():
            await empty(app)

    if url.startswith("memory://"):  # jobs in memory belong to the loop that has them
        pytest.skip("nothing is shared between loops")
    anyio.run(work)
    assert [blocking.result(one, timeout=10) for one in (handle, *more)] == [2, 3, 6]
    assert blocking.call(handle.status) == "done"


async def test_a_thread_beside_an_open_app_uses_its_loop(app: AsyncQ) -> None:
    got: list[int] = []

    class Where(Job, keep_result=60):
        async def handle(self) -> int:
            return 1

    def from_a_thread() -> None:
        got.append(blocking.result(blocking.dispatch(Where()), timeout=10))
        got.append(blocking.result(blocking.dispatch(times.bind(4)), timeout=10))
        with pytest.raises(JobFailure, match="ValueError: negative"):
            blocking.result(blocking.dispatch(times.bind(-1)), timeout=10)
        with pytest.raises(TimeoutError):
            blocking.result(blocking.dispatch(Adds(a=1), delay=1_000), timeout=0.05)

    async with app, app.worker():
        await anyio.to_thread.run_sync(from_a_thread)
        assert (await size_of(app)).delayed == 1
    assert got == [1, 8]


async def test_a_handler_in_a_thread_dispatches_and_tells_its_progress(app: AsyncQ) -> None:
    heard = Heard(app, JobProcessed)
    seen: list[tuple[int, int]] = []

    class Blocks(Job, keep_result=60):
        def handle(self, ctx: JobContext) -> str:
            blocking.call(ctx.progress, 2, 2)
            assert asyncq.current() is ctx
            return blocking.dispatch(Adds(a=5)).id

    async with app, app.worker():
        handle = await Blocks().dispatch()
        second = app.handle(await handle.result(timeout=10), Adds)
        assert await second.result(timeout=10) == 6
        seen = [(one.done, one.total) async for one in handle.watch()]
        await heard.until(JobProcessed, 2)
    assert seen == [(2, 2)]


async def test_it_is_refused_where_a_loop_runs_in_the_same_thread() -> None:
    with pytest.raises(ConfigError, match=r"whose event loop is running.*await job\.dispatch"):
        blocking.dispatch(Adds(a=1))


def test_a_job_runs_at_once_and_its_error_is_raised() -> None:
    AsyncQ("memory://")
    assert blocking.dispatch_sync(Adds(a=1, b=2)) == 3
    assert blocking.dispatch_sync(times.bind(4)) == 8
    with pytest.raises(ValueError, match="negative"):
        blocking.dispatch_sync(times.bind(-1))


async def test_a_threadpool_that_has_not_the_context_of_the_lifespan_finds_the_app(tmp_path: Path) -> None:
    app = AsyncQ(f"sqlite:///{tmp_path / 'queue.db'}")
    threads: list[int] = []

    def order(a: int) -> int:
        threads.append(threading.get_ident())
        return blocking.result(blocking.dispatch(Adds(a=a)), timeout=10)

    before = copy_context()  # as a server's requests have it
    async with app.lifespan(work=True)(None):
        assert await anyio.to_thread.run_sync(lambda: before.run(order, 41)) == 42
    assert threads != [threading.get_ident()]


def test_a_forked_process_starts_a_thread_of_its_own(tmp_path: Path) -> None:
    app = AsyncQ(f"sqlite:///{tmp_path / 'queue.db'}")
    blocking.dispatch(Adds(a=1))
    told = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that hangs must not outlive its test
        try:
            os.write(told[1], blocking.dispatch(Adds(a=2)).id.encode())
        finally:
            os._exit(0)
    os.close(told[1])
    with os.fdopen(told[0], encoding="ascii") as answer:
        id = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    assert blocking.call(app.handle(id).status) == "queued"


def test_a_loop_that_ends_while_somebody_waits_is_told() -> None:
    app = AsyncQ("memory://")
    heard: list[BaseException] = []
    waiting = threading.Event()

    async def forever() -> None:
        waiting.set()
        await anyio.sleep_forever()

    def wait() -> None:
        try:
            blocking.call(forever)
        except BaseException as error:
            heard.append(error)

    async def main() -> None:
        async with app:
            thread.start()
            with anyio.fail_after(10):
                while not waiting.is_set():  # noqa: ASYNC110 - set in another thread
                    await anyio.sleep(0.005)

    thread = threading.Thread(target=wait)
    anyio.run(main)
    thread.join(10)
    assert not thread.is_alive()
    assert len(heard) == 1
