"""What keeps a worker from starting, what does not, and how it is heard of."""

from __future__ import annotations

import gc
import logging
from typing import Any, cast

import pytest

from asyncq import AsyncQ, Job
from asyncq.errors import ConfigError
from asyncq.events import WorkerStarting
from tests.behaviour.looking import empty, eventually, failed_jobs


def broken(qualname: str = "broken.<locals>.Broken") -> type[Job]:
    class Broken(Job):
        __qualname__ = qualname

        async def handle(self, nobody: int) -> None: ...

    return Broken


async def works(app: AsyncQ) -> None:
    done: list[int] = []

    class Works(Job):
        async def handle(self) -> None:
            done.append(1)

    async with app, app.worker():
        await Works().dispatch()
        await empty(app)
    assert done == [1]


async def test_a_job_that_cannot_be_run_is_refused_where_the_worker_is_entered() -> None:
    kept = broken("Broken")
    app = AsyncQ("memory://")
    async with app:
        with pytest.raises(ConfigError, match=r"Broken\.handle: nothing can be injected into 'nobody'"):
            async with app.worker("some"):
                pytest.fail("it started")
    assert kept.__name__ == "Broken"


async def test_a_class_that_nobody_holds_any_more_keeps_no_worker_from_starting() -> None:
    gc.disable()
    try:
        broken("Broken")
        await works(AsyncQ("memory://"))
    finally:
        gc.enable()


async def test_a_broken_class_of_a_function_is_warned_of_and_fails_its_own_jobs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept, app = broken(), AsyncQ("memory://")
    await works(app)
    assert "jobs of a class will fail, if they are this app's: broken.<locals>.Broken.handle" in caplog.text
    async with app, app.worker():
        await kept().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error.startswith("ConfigError: broken.<locals>.Broken.handle: nothing can be injected")


async def test_two_classes_of_one_name_are_no_clash_once_nobody_holds_one_of_them() -> None:
    def one() -> type[Job]:
        class One(Job, name="starting:twice"):
            async def handle(self) -> None: ...

        return One

    gc.disable()
    try:
        one()

        class Two(Job, name="starting:twice"):
            async def handle(self) -> None: ...

        await works(AsyncQ("memory://"))
        assert Two.settings_.name == "starting:twice"
    finally:
        gc.enable()


async def test_a_worker_that_breaks_says_so_at_once_and_again_at_its_end(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = AsyncQ("memory://")

    async def break_it(event: WorkerStarting) -> None:
        raise LookupError("out of order")

    monkeypatch.setattr(app.listeners, "emit", break_it)
    app.on(WorkerStarting)(cast("Any", break_it))
    with pytest.raises(LookupError, match="out of order"), caplog.at_level(logging.CRITICAL, "asyncq.worker"):
        async with app, app.worker("some"):
            await eventually(lambda: "nothing is worked on here any more" in caplog.text)
