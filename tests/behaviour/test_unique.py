"""At most one stored job for each unique key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncq import AsyncQ, Fail, Job, JobContext, Next, Release, Skip, job
from asyncq.errors import ConfigError, DriverError
from tests.behaviour.looking import empty, eventually, failed_jobs, size_of


class Boom(Exception):
    pass


async def test_a_second_dispatch_gives_the_handle_of_the_job_that_is_there(app: AsyncQ) -> None:
    class Sync(Job, unique=True):
        async def handle(self) -> None: ...

    async with app:
        first = await Sync().dispatch()
        second = await Sync().dispatch()
        assert (await size_of(app)).ready == 1
    assert (first.created, second.created) == (True, False)
    assert second.id == first.id


KEYS: dict[str, tuple[Any, list[tuple[int, str]], int]] = {
    "all arguments": ({"unique": True}, [(1, "a"), (1, "a"), (1, "b"), (2, "a")], 3),
    "a field": ({"unique_by": ["number"]}, [(1, "a"), (1, "b"), (2, "a")], 2),
    "two fields": ({"unique_by": ["number", "text"]}, [(1, "a"), (1, "b"), (1, "a")], 2),
    "a life": ({"unique_for": 60}, [(1, "a"), (1, "a")], 1),
}


@pytest.mark.parametrize("kind", KEYS)
async def test_the_key_is_made_of_what_the_settings_say(app: AsyncQ, kind: str) -> None:
    settings, given, stored = KEYS[kind]

    class Keyed(Job, **settings):
        number: int
        text: str

        async def handle(self) -> None: ...

    async with app:
        for number, text in given:
            await Keyed(number=number, text=text).dispatch()
        assert (await size_of(app)).ready == stored


async def test_a_unique_id_method_wins(app: AsyncQ) -> None:
    class Keyed(Job):
        number: int

        async def handle(self) -> None: ...

        def unique_id(self) -> str:
            return str(self.number % 2)

    async with app:
        created = [(await Keyed(number=number).dispatch()).created for number in range(4)]
    assert created == [True, True, False, False]


async def test_two_classes_do_not_share_a_key_unless_they_have_one_scope(app: AsyncQ) -> None:
    class One(Job, unique=True):
        async def handle(self) -> None: ...

    class Other(Job, unique=True):
        async def handle(self) -> None: ...

    class Left(Job, unique=True, unique_scope="both"):
        async def handle(self) -> None: ...

    class Right(Job, unique=True, unique_scope="both"):
        async def handle(self) -> None: ...

    async with app:
        assert (await One().dispatch()).created
        assert (await Other().dispatch()).created
        first = await Left().dispatch()
        second = await Right().dispatch()
    assert (second.created, second.id) == (False, first.id)


ENDS: dict[str, Callable[[], BaseException | None]] = {
    "done": lambda: None,
    "failed": Boom,
    "failed by itself": lambda: Fail("no"),
    "skipped": Skip,
}


@pytest.mark.parametrize("end", ENDS)
async def test_the_key_is_held_until_the_job_has_ended_whichever_way(app: AsyncQ, end: str) -> None:
    started, go_on = anyio.Event(), anyio.Event()

    class Sync(Job, unique=True):
        async def handle(self) -> None:
            started.set()
            await go_on.wait()
            if error := ENDS[end]():
                raise error

    async with app, app.worker():
        first = await Sync().dispatch()
        await started.wait()
        assert not (await Sync().dispatch()).created
        go_on.set()
        await empty(app)
        later = await Sync().dispatch()
        await empty(app)
    assert later.created
    assert later.id != first.id


async def test_a_job_that_is_put_back_keeps_its_key(app: AsyncQ) -> None:
    created: list[bool] = []

    class Sync(Job, unique=True, tries=3, backoff=0.05):
        async def handle(self, ctx: JobContext) -> None:
            if ctx.attempt == 1:
                raise Release(0.05)
            created.append((await Sync().dispatch()).created)
            if ctx.attempt == 2:
                raise Boom

    async with app, app.worker():
        await Sync().dispatch()
        await eventually(lambda: len(created) == 1)
        created.append((await Sync().dispatch()).created)
        await empty(app)
        assert not await failed_jobs(app)
    assert created == [False, False, False]


async def test_until_start_frees_the_key_before_the_handler(app: AsyncQ) -> None:
    created: list[bool] = []

    class Sync(Job, unique=True, unique_until="start"):
        async def handle(self) -> None:
            if len(created) < 2:
                created.append((await Sync().dispatch()).created)

    async with app, app.worker(concurrency=1):
        await Sync().dispatch()
        await eventually(lambda: len(created) == 2)
        await empty(app)
    assert created == [True, True]


async def test_until_start_keeps_the_key_while_the_middleware_holds_the_job_back(app: AsyncQ) -> None:
    created: list[bool] = []

    async def holds_back(ctx: JobContext, call_next: Next, /) -> Any:
        if ctx.attempt == 1:
            created.append((await Sync().dispatch()).created)
            ctx.release()
        return await call_next(ctx)

    class Sync(Job, unique=True, unique_until="start", tries=2, middleware=[holds_back]):
        async def handle(self) -> None: ...

    async with app, app.worker():
        await Sync().dispatch()
        await empty(app)
        assert not await failed_jobs(app)
    assert created == [False]


async def test_a_key_ends_after_its_longest_life_though_the_job_waits(app: AsyncQ) -> None:
    class Sync(Job, unique_for=0.1):
        async def handle(self) -> None: ...

    async with app:
        await Sync().dispatch(delay=60)
        assert not (await Sync().dispatch(delay=60)).created
        with anyio.fail_after(5):
            while not (await Sync().dispatch(delay=60)).created:  # noqa: ASYNC110 - the end of a key has no event
                await anyio.sleep(0.01)
        assert (await size_of(app)).delayed == 2


async def test_a_dispatch_may_choose_the_longest_life(app: AsyncQ) -> None:
    class Sync(Job, unique_for=3600):
        async def handle(self) -> None: ...

    async with app:
        await Sync().dispatch(delay=60, unique_for=0.05)
        with anyio.fail_after(5):
            while not (await Sync().dispatch(delay=60)).created:  # noqa: ASYNC110 - the end of a key has no event
                await anyio.sleep(0.01)


async def test_within_one_push_the_first_of_a_key_wins(app: AsyncQ) -> None:
    class Sync(Job, unique=True):
        number: int = 0

        async def handle(self) -> None: ...

    async with app:
        handles = await app.dispatch_many([Sync(), Sync(number=1), Sync(), Sync(number=1)])
        assert (await size_of(app)).ready == 2
    assert [handle.created for handle in handles] == [True, True, False, False]
    assert [handles[2].id, handles[3].id] == [handles[0].id, handles[1].id]


async def test_concurrent_dispatches_of_one_key_create_one_job(app: AsyncQ) -> None:
    created: list[bool] = []

    class Sync(Job, unique=True):
        async def handle(self) -> None: ...

    async def dispatch() -> None:
        created.append((await Sync().dispatch()).created)

    async with app:
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(dispatch)
        assert (await size_of(app)).ready == 1
    assert created.count(True) == 1


async def test_a_push_that_fails_holds_no_key(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(envelopes: object) -> Any:
        raise DriverError("gone")

    class Sync(Job, unique=True):
        async def handle(self) -> None: ...

    async with app:
        with monkeypatch.context() as patch:
            patch.setattr((await app.engine()).driver("default"), "push", broken)
            with pytest.raises(DriverError):
                await Sync().dispatch()
        assert (await Sync().dispatch()).created


async def test_the_key_is_free_for_another_connection(url: str, tmp_path: Path) -> None:
    class Sync(Job, unique=True):
        async def handle(self) -> None: ...

    async with AsyncQ(connections={"one": url, "two": f"sqlite:///{tmp_path}/two.db"}, default="one"):
        assert (await Sync().dispatch()).created
        assert (await Sync().dispatch(connection="two")).created
        assert not (await Sync().dispatch()).created


async def test_a_function_may_be_unique(app: AsyncQ) -> None:
    @job(unique_by=["number"])
    async def sync(number: int, note: str = "") -> None: ...

    async with app:
        assert (await sync.dispatch(1)).created
        assert not (await sync.dispatch(1, note="again")).created
        assert (await sync.dispatch(2)).created


async def test_unique_by_a_field_that_is_not_there_is_refused(app: AsyncQ) -> None:
    class Sync(Job, unique_by=["nmber"]):
        number: int

        async def handle(self) -> None: ...

    async with app:
        with pytest.raises(ConfigError, match="unique_by names 'nmber'"):
            await Sync(number=1).dispatch()
