"""`asyncq.testing.clock()`: the time of memory and SQLite is turned, not waited for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

import asyncq
from asyncq import AsyncQ, ConfigError, Job, LockTimeout
from asyncq.current import apps
from asyncq.testing import TurnableClock, clock, drain
from asyncq.testing.conformance.backend import eventually
from tests.behaviour.looking import empty
from tests.unit.testing.shop import Bill, Pack

ran: list[str] = []
gates: dict[str, anyio.Event] = {}


@pytest.fixture(params=["memory://", "sqlite:///{path}"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(path=tmp_path / "queue.db")


class Held(Job, tries=1):
    """Runs until its gate opens."""

    async def handle(self) -> None:
        ran.append("held")
        await gates["held"].wait()


class Tick(Job):
    number: int

    async def handle(self) -> None:
        ran.append(f"tick {self.number}")


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


async def test_delays_and_unique_keys_pass_when_the_clock_is_turned(url: str) -> None:
    async with clock() as time, AsyncQ(url) as app:
        await Pack(number=1).dispatch(delay=timedelta(hours=23))
        assert (await Bill(number=1).dispatch(delay=7200)).created
        assert not (await Bill(number=1).dispatch()).created
        time.advance(hours=1, seconds=1)
        assert (await Bill(number=1).dispatch()).created
        assert len(await drain(app)) == 1
        time.advance(hours=1)
        assert len(await drain(app)) == 1
        time.advance(timedelta(hours=21))
        assert [outcome.result for outcome in await drain(app)] == ["packed 1"]


async def test_locks_and_windows_end_when_the_clock_is_turned(url: str) -> None:
    async with clock() as time, AsyncQ(url) as app:
        assert await app.lock("key", ttl=60).acquire()
        assert not await app.lock("key", ttl=60).acquire()
        time.advance(61)
        assert await app.lock("key", ttl=60).acquire()
        async with app.throttle("key", limit=1, per=timedelta(hours=1)):
            pass
        with pytest.raises(LockTimeout):
            async with app.throttle("key", limit=1, per=timedelta(hours=1)):
                pass
        time.advance(hours=1)
        async with app.throttle("key", limit=1, per=timedelta(hours=1)):
            pass


async def test_a_worker_runs_what_the_clock_made_due(url: str) -> None:
    async with clock() as time, AsyncQ(url) as app, app.worker():
        await Tick(number=1).dispatch(delay=timedelta(days=1))
        await Tick(number=0).dispatch()
        await eventually(lambda: ran == ["tick 0"])
        time.advance(days=1)
        await eventually(lambda: ran == ["tick 0", "tick 1"])


async def test_the_lease_of_a_running_job_outlives_a_turn_of_the_clock(url: str) -> None:
    gates["held"] = anyio.Event()
    async with clock() as time, AsyncQ(url) as app, app.worker():
        await Held().dispatch()
        await eventually(lambda: ran == ["held"])
        time.advance(hours=1)
        await Tick(number=1).dispatch()  # the look for it would take the job back, if its lease had ended
        await eventually(lambda: ran == ["held", "tick 1"])
        driver = (await app.engine()).driver("default")
        with anyio.fail_after(5):
            while (await driver.sizes(["default"]))["default"].reserved != 1:  # noqa: ASYNC110 - until the other is settled
                await anyio.sleep(0.002)
        gates["held"].set()
        await empty(app)
    assert ran == ["held", "tick 1"]


@pytest.mark.parametrize("before", [True, False])
async def test_an_app_follows_the_clock_in_whose_block_it_opens(*, before: bool) -> None:
    app = AsyncQ("memory://") if before else None
    async with clock(1_000_000.0) as time:
        app = app or AsyncQ("memory://")
        async with app:
            assert (await app.engine()).setup.clock.now() == 1_000_000.0
    async with app:
        assert (await app.engine()).setup.clock.now() > 1_700_000_000.0
    assert time.now() == 1_000_000.0


async def test_a_server_s_time_cannot_be_turned() -> None:
    app = AsyncQ("redis://127.0.0.1:1/0")
    async with clock():
        with pytest.raises(ConfigError, match=r"connection 'default'.*memory:// or sqlite://"):
            await app.__aenter__()
        with pytest.raises(ConfigError, match="no test can turn"):
            await app.engine()
        async with asyncq.fake() as queue:
            await Pack(number=1).dispatch()
            queue.assert_count(1)


async def test_a_fake_takes_the_clock_of_the_test() -> None:
    async with asyncq.fake() as queue:
        with clock() as time:
            assert queue.clock is time
    async with clock() as time, asyncq.fake() as queue:
        await Pack(number=1).dispatch(delay=60)
        time.advance(minutes=1)
        assert len(await queue.run()) == 1


async def test_clocks_nest_and_the_real_time_comes_back() -> None:
    outside = apps.clock
    with clock() as outer, clock() as inner:
        assert asyncq.fake().clock is inner
    with outer:
        assert asyncq.fake().clock is outer
    assert apps.clock is outside


def test_where_a_clock_begins_and_how_it_is_turned() -> None:
    time = clock(datetime(2030, 1, 31, tzinfo=UTC))
    assert isinstance(time, TurnableClock)
    time.advance(days=1, hours=2, minutes=3, seconds=4)
    time.advance(timedelta(milliseconds=500))
    assert time.today() == datetime(2030, 2, 1, 2, 3, 4, 500_000, tzinfo=UTC)
    assert repr(time) == "<clock at 2030-02-01 02:03:04>"
    with pytest.raises(ConfigError, match="forward"):
        time.advance(-1)
    with pytest.raises(ConfigError, match="time zone"):
        clock(datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(TypeError, match="advance takes seconds"):
        time.advance("1h")  # type: ignore[arg-type]


async def test_a_wait_ends_when_its_time_has_come() -> None:
    time = clock()
    ended: list[float] = []

    async def wait(delay: float) -> None:
        await time.wait(delay)
        ended.append(delay)

    async with anyio.create_task_group() as group:
        for delay in (0.0, 10.0, 20.0):
            group.start_soon(wait, delay)
        await eventually(lambda: time.waiting == 2)
        time.advance(10)
        await eventually(lambda: ended == [0.0, 10.0])
        group.cancel_scope.cancel()
    assert time.waiting == 0
