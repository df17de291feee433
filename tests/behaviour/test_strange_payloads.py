"""Stored jobs that this worker does not know or cannot read: a newer deploy's, a renamed class's, damaged ones."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import anyio
import orjson
import pytest

from asyncq import AsyncQ, Job, JobContext, Release, executor
from asyncq.events import JobFailed, JobInterrupted
from asyncq.payload import Envelope
from tests.behaviour.looking import Heard, empty, eventually, failed_jobs, size_of

ran: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


class Known(Job, aliases=["old.place:Known", "older"]):
    number: int = 0

    async def handle(self, ctx: JobContext) -> None:
        ran.append((self.number, ctx.attempt))


NAME = f"{__name__}:Known"


def body(name: str = NAME, arguments: bytes = b'{"number":1}', **header: Any) -> bytes:
    return orjson.dumps({"v": 1, "name": name, "at": time.time(), **header}) + b"\n" + arguments


async def push(app: AsyncQ, body: bytes, name: str = NAME, id: str = "one") -> None:
    await (await app.engine()).driver("default").push([Envelope(id=id, queue="default", name=name, body=body)])


@pytest.mark.parametrize("name", [NAME, "old.place:Known", "older"])
async def test_an_alias_keeps_old_payloads_alive(app: AsyncQ, name: str) -> None:
    async with app, app.worker():
        await push(app, body(name), name)
        await empty(app)
        assert not await failed_jobs(app)
    assert ran == [(1, 1)]


DAMAGED: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"\xff\x00\nhi", "has no readable header"),
    "nothing": (b"", "has no arguments"),
    "no second line": (orjson.dumps({"v": 1, "name": NAME, "at": 0}), "do not fit"),
    "a header that is a list": (b"[]\n{}", "has no readable header"),
    "no name": (b'{"v":1,"at":1}\n{}', "has no readable header"),
    "arguments that are no JSON": (body(arguments=b"{"), "do not fit"),
    "an argument of another type": (body(arguments=b'{"number":"one"}'), "do not fit"),
    "an argument that the class does not have": (body(arguments=b'{"numbr":1}'), "do not fit"),
    "settings that are no object": (body(settings=[1]), ""),
    "a timeout that is a text": (body(settings={"timeout": "x"}), ""),
    "tries that are a text": (body(settings={"tries": "x"}), ""),
}


@pytest.mark.parametrize("damage", DAMAGED)
async def test_what_cannot_be_read_is_kept_as_it_is_and_the_worker_lives(app: AsyncQ, damage: str) -> None:
    raw, text = DAMAGED[damage]
    async with app, app.worker():
        await push(app, raw)
        await empty(app)
        records = await failed_jobs(app)
        await Known(number=2).dispatch()
        await empty(app)
    assert ran == [(2, 1)]
    [record] = records
    assert record.body == raw
    assert text in record.error
    assert record.attempts == 1


STORED: dict[str, tuple[str, bytes, str]] = {
    "a name that nobody knows": (
        "shop.newer:Mail",
        body("shop.newer:Mail"),
        "UnknownJob: no imported job is called 'shop.newer:Mail'; let the worker import 'shop.newer' (jobs = [...] in "
        "[tool.asyncq] or of AsyncQ), or add aliases=['shop.newer:Mail'] to the class that took its place",
    ),
    "a name of an interactive session": (
        "__main__:Mail",
        body("__main__:Mail"),
        "UnknownJob: no imported job is called '__main__:Mail'; it was defined in an interactive session, where no "
        "worker finds it; move the class to a module",
    ),
    "a name of a function's inside": (
        "shop:main.<locals>.Mail",
        body("shop:main.<locals>.Mail"),
        "UnknownJob: no imported job is called 'shop:main.<locals>.Mail'; it was defined inside a function, where no "
        "worker finds it; move it to the top of its module",
    ),
    "a later version": (
        NAME,
        body(v=2),
        f"UnknownJob: job one ({NAME}) was written in version 2 of the wire format, this worker reads 1; "
        "update the worker",
    ),
    "a header that cannot be read": (
        NAME,
        b"{}\n{}",
        f"DecodeError: job one ({NAME}) has no readable header (KeyError: 'v')",
    ),
    "arguments of another class": (
        NAME,
        body(arguments=b'{"number":"one","to":"x"}'),
        "DecodeError: job one: its arguments do not fit Known: Known.number: Input should be a valid integer, unable "
        "to parse string as an integer, got 'one'; Known.to: Unexpected keyword argument, got 'x'",
    ),
}


@pytest.mark.parametrize("kind", STORED)
async def test_the_record_says_in_one_line_what_is_wrong_with_a_stored_job(
    app: AsyncQ, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_UNKNOWN_BACKOFF", (0.03,))
    monkeypatch.setattr(executor, "UNKNOWN_GRACE_SECONDS", 0.1)
    name, raw, text = STORED[kind]
    async with app, app.worker():
        await push(app, raw, name)
        await Known(number=2).dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    assert (record.error, record.body) == (text, raw)
    assert ran == [(2, 1)]


@pytest.mark.parametrize("how", ["ctx.release", "raise Release"])
async def test_a_release_with_no_delay_that_is_one_fails_the_job_in_its_own_words(app: AsyncQ, how: str) -> None:
    class Back(Job, name=f"strange:{uuid4()}"):
        async def handle(self, ctx: JobContext) -> None:
            ran.append(ctx.attempt)
            if how == "ctx.release":
                ctx.release("soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake
            raise Release("soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake

    async with app, app.worker():
        await Back().dispatch()
        await empty(app)
        [record] = await failed_jobs(app)
    what = "ctx.release: delay" if how == "ctx.release" else "delay"
    assert record.error == f"WrongType: {what} takes seconds or a timedelta, not 'soon'"
    assert ran == [1]


async def test_an_error_with_a_damaged_backoff_still_has_an_end(app: AsyncQ) -> None:
    class Fails(Job):
        async def handle(self, ctx: JobContext) -> None:
            ran.append(ctx.attempt)
            raise ValueError("mine")

    async with app, app.worker():
        name = f"{__name__}:{Fails.__qualname__}"
        await push(app, body(name, b"{}", settings={"backoff": [], "tries": 2}), name)
        await empty(app)
        [record] = await failed_jobs(app)
    assert record.error == "ValueError: mine"
    assert ran == [1, 2]


FOREIGN = {
    "an unknown name": ("newer:Job", body("newer:Job"), "no imported job is called 'newer:Job'"),
    "a later version": (NAME, body(v=2), "version 2 of the wire format"),
}


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_newer_deploys_job_goes_back_uncounted_and_then_is_kept(
    app: AsyncQ, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "_UNKNOWN_BACKOFF", (0.03,))
    monkeypatch.setattr(executor, "UNKNOWN_GRACE_SECONDS", 0.2)
    name, raw, text = FOREIGN[kind]
    heard = Heard(app, JobInterrupted, JobFailed)
    async with app, app.worker():
        await push(app, raw, name)
        await empty(app)
        [record] = await failed_jobs(app)
        await heard.until(JobFailed)
    assert len(heard.of(JobInterrupted)) >= 2
    assert heard.names[-1] == "JobFailed"
    assert (record.attempts, record.exceptions, record.name, record.body) == (1, 0, name, raw)
    assert text in record.error


async def test_a_class_that_comes_within_the_grace_runs_the_job(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "_UNKNOWN_BACKOFF", (0.05,))
    heard = Heard(app, JobInterrupted)
    name = f"deployed:{uuid4()}"

    def deploy() -> type[Job]:
        class Later(Job, name=name):
            text: str

            async def handle(self, ctx: JobContext) -> None:
                ran.append((self.text, ctx.attempt))

        return Later

    async with app, app.worker():
        await push(app, body(name, b'{"text":"x"}'), name)
        await heard.until(JobInterrupted)
        later = deploy()
        await empty(app)
        assert later
        assert not await failed_jobs(app)
    assert ran == [("x", 1)]


async def test_the_unknown_ones_hold_up_nobody(app: AsyncQ) -> None:
    async with app, app.worker(concurrency=1):
        for number in range(5):
            await push(app, body("newer:Job"), "newer:Job", id=f"n{number}")
        await Known(number=7).dispatch()
        await eventually(lambda: ran == [(7, 1)])
        with anyio.fail_after(5):
            while (await size_of(app)).delayed < 5:  # noqa: ASYNC110 - a queue has no event
                await anyio.sleep(0.002)


class Grown(Job, name="grown"):
    old: str
    new: int = 5

    async def handle(self) -> None:
        ran.append((self.old, self.new))


async def test_a_new_field_with_a_default_reads_old_payloads(app: AsyncQ) -> None:
    async with app, app.worker():
        await push(app, body("grown", b'{"old":"a"}'), "grown")
        await empty(app)
    assert ran == [("a", 5)]


async def test_what_a_later_version_froze_or_added_is_passed_over(app: AsyncQ) -> None:
    async with app, app.worker():
        await push(app, body(settings={"tries": 2, "of_the_future": 1}, later={"x": 1}))
        await empty(app)
        assert not await failed_jobs(app)
    assert ran == [(1, 1)]
