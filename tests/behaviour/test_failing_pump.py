"""A driver that fails in a way nobody knows: the worker ends with that error, and its jobs come back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from asyncq import AsyncQ, Job
from asyncq.events import JobProcessed
from asyncq.testing.conformance.backend import eventually


class Wait(Job):
    begun = 0
    failures = 0

    async def handle(self) -> None:
        type(self).begun += 1
        await asyncio.sleep(1000)

    def failed(self, error: BaseException) -> None:
        type(self).failures += 1


class Pass(Job):
    async def handle(self) -> None: ...


def listen(event: JobProcessed) -> None: ...


@pytest.mark.parametrize("heard", [False, True], ids=["unheard", "heard"])
async def test_a_worker_ends_though_nobody_will_answer_for_its_jobs(
    app: AsyncQ, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, heard: bool
) -> None:
    Wait.begun = Wait.failures = 0
    if heard:
        app.on(JobProcessed)(listen)

    async def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("nobody knows this one")

    async with app:
        await Wait().dispatch()
        driver = (await app.engine()).driver(app.default)
        with pytest.raises(ExceptionGroup) as failure:
            async with app.worker(concurrency=4):
                await eventually(lambda: Wait.begun == 1)
                for name in ("turn", "settle", "reserve"):
                    monkeypatch.setattr(driver, name, fail)
                await Pass().dispatch()
                await eventually(lambda: "ended by an error" in caplog.text, within=20.0)
        assert failure.group_contains(RuntimeError, match="nobody knows")
        assert Wait.failures == 0, "it was interrupted, and comes back after its lease"
