"""The writer's thread: one commit for all that wait, each call for itself, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from asyncq.drivers.sqlite.bell import Bell
from asyncq.drivers.sqlite.step import Step
from asyncq.drivers.sqlite.thread import GROUP, SqlThread
from asyncq.drivers.sqlite.transaction import Transactor
from asyncq.drivers.sqlite.undelivered import Undelivered
from asyncq.errors import DriverError, NotOpen
from asyncq.payload import Done, Settlement
from tests.unit.sqlite.files import driver_at, home_at, job, nothing, traced


@contextmanager
def held(path: Path) -> Generator[None]:
    """Hold the write lock, so that calls gather in the thread's queue."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("asyncq-sqlite")}


async def test_calls_that_wait_share_a_commit(tmp_path: Path) -> None:
    transactor, ran = traced(tmp_path / "queue.db")
    thread = SqlThread("asyncq-sqlite-test", transactor, Bell(), Undelivered())
    thread.start()
    await thread.call(nothing)
    gate = threading.Event()
    first = asyncio.ensure_future(thread.call(lambda _: gate.wait(5)))
    others = [asyncio.ensure_future(thread.call(nothing)) for _ in range(GROUP + 10)]
    await asyncio.sleep(0)
    ran.clear()
    gate.set()
    await asyncio.gather(first, *others)
    # What the first is part of, a full group, and the rest.
    assert ran.count("COMMIT") <= 3
    await thread.stop()


def test_a_call_that_fails_does_not_reach_the_others_of_its_transaction(tmp_path: Path) -> None:
    def fail(step: Step) -> None:
        insert(step, "never")
        raise ValueError("no")

    def insert(step: Step, key: str) -> str:
        step.run("meta.set", (key, 1))
        return key

    transactor = Transactor(home_at(tmp_path / "queue.db"), writes=True)
    answers, _ = transactor.run([lambda step: insert(step, "a"), fail, lambda step: insert(step, "b")])
    assert [answer[0] for answer in answers] == ["a", None, "b"]
    assert [type(answer[1]) for answer in answers] == [type(None), ValueError, type(None)]
    (rows,), _ = transactor.run([lambda step: [step.row("meta.get", (key,)) for key in ("a", "b", "never")]])
    assert rows[0] == [(1,), (1,), None]
    transactor.close()


async def test_one_bad_push_among_many_fails_alone(tmp_path: Path) -> None:
    path, text = tmp_path / "queue.db", "text is no body"
    bad: Any = text
    async with driver_at(path) as driver:
        with held(path):
            calls = [driver.push([job(f"{number:02}", body=bad if number == 7 else b"{}")]) for number in range(20)]
            tasks = [asyncio.ensure_future(call) for call in calls]
            await asyncio.sleep(0)
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert [number for number, answer in enumerate(answers) if isinstance(answer, DriverError)] == [7]
        assert (await driver.sizes(["default"]))["default"].ready == 19


async def test_a_call_that_was_cancelled_before_the_thread_took_it_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path) as driver:
        with held(path):
            first = asyncio.ensure_future(driver.push([job("a")]))
            await asyncio.sleep(0.05)
            second = asyncio.ensure_future(driver.push([job("b")]))
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.wait([second])
        await first
        assert sorted(await driver.find(["a", "b"])) == ["a"]


@pytest.mark.parametrize("by", ["reserve", "turn"])
async def test_what_a_cancelled_caller_reserved_is_there_for_its_next_call(tmp_path: Path, by: str) -> None:
    async with driver_at(tmp_path / "queue.db") as driver:
        await driver.push([job("a")])
        for steps in range(60):
            call = driver.reserve(["default"], limit=1) if by == "reserve" else driver.turn([], ["default"], limit=1)
            task: asyncio.Future[Any] = asyncio.ensure_future(call)
            for _ in range(steps):
                await asyncio.sleep(0)
            if task.done():
                break
            task.cancel()
            await asyncio.wait([task])
            (again,) = (await driver.reserve(["default"], limit=1)).items
            assert (again.attempt, again.crashes) == (1, 0)
            await driver.settle([Settlement(again, Done())])
            await driver.push([job("a")])


def test_a_reservation_for_a_loop_that_was_closed_goes_back(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    driver = driver_at(path)

    async def abandon() -> None:
        await driver.__aenter__()
        await driver.push([job("a")])
        # Held until the loop is gone.
        lock.execute("BEGIN IMMEDIATE")
        kept.append(asyncio.ensure_future(driver.reserve(["default"], limit=1)))
        await asyncio.sleep(0.01)

    async def look() -> None:
        async with driver_at(path) as other:
            async with asyncio.timeout(5):
                while not (await other.reserve(["default"], limit=1)).items:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        await driver.__aexit__(None, None, None)

    async def prepare() -> None:
        async with driver_at(path):
            pass

    kept: list[asyncio.Future[Any]] = []
    asyncio.run(prepare())
    lock = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(abandon())
    loop.close()
    lock.close()
    asyncio.run(look())
    # The call was never ended, and says so when it is forgotten.
    kept[0]._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    kept.clear()
    gc.collect()


def test_a_driver_may_be_opened_again_in_another_loop(tmp_path: Path) -> None:
    driver = driver_at(tmp_path / "queue.db")

    async def use(id: str) -> int:
        async with driver:
            await driver.push([job(id)])
            await driver.wait(["default"], timeout=5)
            return (await driver.sizes(["default"]))["default"].ready

    assert [asyncio.run(use("a")), asyncio.run(use("b"))] == [1, 2]
    assert threads() == set()


async def test_the_end_waits_for_calls_that_were_accepted(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    driver = await driver_at(path).__aenter__()
    with held(path):
        pushes = [asyncio.ensure_future(driver.push([job(f"{number}")])) for number in range(50)]
        await asyncio.sleep(0)
        end = asyncio.ensure_future(driver.__aexit__(None, None, None))
        await asyncio.sleep(0.02)
        assert not end.done()
    await end
    assert {answer[0].created for answer in await asyncio.gather(*pushes)} == {True}
    assert threads() == set()


async def test_a_wait_ends_when_the_driver_closes(tmp_path: Path) -> None:
    driver = await driver_at(tmp_path / "queue.db").__aenter__()
    waiting = asyncio.ensure_future(driver.wait(["default"], timeout=60))
    await asyncio.sleep(0.01)
    await driver.__aexit__(None, None, None)
    async with asyncio.timeout(5):
        with pytest.raises(NotOpen):
            await waiting


async def test_a_driver_that_is_not_open_says_so(tmp_path: Path) -> None:
    driver = driver_at(tmp_path / "queue.db")
    for call in (
        lambda: driver.push([job("a")]),
        lambda: driver.reserve(["q"], limit=1),
        lambda: driver.sizes(["q"]),
        lambda: driver.wait(["q"], timeout=1),
    ):
        with pytest.raises(NotOpen):
            await call()
