"""Handlers that run in a process of their own: what travels there and back, and what happens when one dies."""

from __future__ import annotations

import os

import pytest

from asyncq import AsyncQ, Job
from asyncq.events import JobFailed, JobProcessed, JobReleased
from tests.behaviour.looking import Heard, empty, failed_jobs
from tests.behaviour.places import InProcess

WITHIN = 15.0
"""A process takes most of a second to start."""


async def test_a_handler_runs_elsewhere_with_its_arguments_and_its_context(app: AsyncQ) -> None:
    heard = Heard(app, JobProcessed)
    blob = bytes(range(256))
    async with app, app.worker("far"):
        await InProcess(what="told", blob=blob).dispatch(queue="far")
        await empty(app, "far", within=WITHIN)
        await heard.until(JobProcessed)
    pid, attempt, queue, back = heard.of(JobProcessed)[0].result
    assert pid != os.getpid()
    assert (attempt, queue, back) == (1, "far", blob)


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ("raise", "LookupError: attempt 2"),
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("group", "ExceptionGroup: two (2 sub-exceptions)"),
        ("unprintable", "Unprintable: (its text cannot be shown: RuntimeError)"),
        ("die", "BrokenWorkerProcess"),
    ],
)
async def test_whatever_a_handler_does_there_is_a_failed_attempt_of_its_job(what: str, error: str) -> None:
    app = AsyncQ("memory://")
    done: list[int] = []

    class Innocent(Job):
        async def handle(self) -> None:
            done.append(1)

    async with app, app.worker():
        await app.dispatch_many([Innocent(), InProcess(what=what), Innocent()])
        await empty(app, within=WITHIN)
        [record] = await failed_jobs(app)
    assert record.error.startswith(error)
    assert record.attempts == 2
    assert done == [1, 1]


async def test_the_place_of_an_error_there_is_in_the_record() -> None:
    app = AsyncQ("memory://")
    async with app, app.worker():
        await InProcess(what="raise").dispatch(tries=1)
        await empty(app, within=WITHIN)
        [record] = await failed_jobs(app)
    assert "places.py" in record.traceback


async def test_a_result_that_cannot_travel_back_is_named(app: AsyncQ) -> None:
    async with app, app.worker():
        await InProcess(what="unpicklable").dispatch(tries=1)
        await empty(app, within=WITHIN)
        [record] = await failed_jobs(app)
    assert "pickle" in record.error.lower()


async def test_what_a_handler_prints_does_not_mix_with_its_answer() -> None:
    app = AsyncQ("memory://")
    async with app, app.worker():
        await InProcess(what="print").dispatch()
        await empty(app, within=WITHIN)
        assert not await failed_jobs(app)


async def test_release_and_fail_work_from_there() -> None:
    app = AsyncQ("memory://")
    heard = Heard(app, JobReleased, JobProcessed, JobFailed)
    async with app, app.worker():
        await InProcess(what="release").dispatch()
        await empty(app, within=WITHIN)
        await heard.until(JobProcessed)
        await InProcess(what="fail").dispatch()
        await empty(app, within=WITHIN)
        [record] = await failed_jobs(app)
        await heard.until(JobFailed)
    assert heard.names == ["JobReleased", "JobProcessed", "JobFailed"]
    assert (record.error, record.attempts) == ("ManuallyFailed: no", 1)
