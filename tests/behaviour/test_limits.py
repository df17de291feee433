"""Locks, funnels and throttles as users hold them."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, ClassVar

import anyio
import pytest

from asyncq import AsyncQ, ConfigError, Job, LockTimeout
from asyncq.current import host
from asyncq.errors import NotSupported
from asyncq.stores import Stores
from tests.behaviour.looking import empty, eventually

PATIENT = 30.0
"""A wait that no test needs; whoever waits longer hangs."""


class Crowd:
    """Counts how many are in a place at once."""

    def __init__(self) -> None:
        self.inside = self.most = self.total = 0

    async def visit(self) -> int:
        self.inside += 1
        self.total += 1
        self.most = max(self.most, self.inside)
        for _ in range(5):
            await asyncio.sleep(0)
        self.inside -= 1
        return self.inside


async def together(*works: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with anyio.fail_after(PATIENT):
        async with anyio.create_task_group() as group:
            for work in works:
                group.start_soon(work)


# --- locks ------------------------------------------------------------------------------------------------------------


async def test_a_lock_lets_one_in_at_a_time(app: AsyncQ) -> None:
    crowd = Crowd()

    async def work() -> None:
        async with app.lock("key", wait=PATIENT):
            await crowd.visit()

    async with app:
        await together(*[work] * 8)
    assert (crowd.total, crowd.most) == (8, 1)


async def test_one_lock_object_may_be_shared_by_tasks(app: AsyncQ) -> None:
    crowd, lock = Crowd(), app.lock("key", wait=PATIENT)

    async def work() -> None:
        async with lock:
            await crowd.visit()

    async with app:
        await together(*[work] * 8)
        assert await lock.holder() is None
    assert (crowd.total, crowd.most) == (8, 1)


async def test_a_lock_that_is_held_is_refused_at_once_without_a_wait(app: AsyncQ) -> None:
    async with app, app.lock("key"):
        with pytest.raises(LockTimeout, match=r"lock 'key' is held by somebody else .* give a wait") as caught:
            async with app.lock("key"):
                pytest.fail("two hold it")
        assert (caught.value.key, caught.value.limit, caught.value.retry_after) == ("key", 1, None)
        async with app.lock("another"):
            pass


async def test_a_wait_ends(app: AsyncQ) -> None:
    async with app, app.lock("key"):
        began_at = time.monotonic()
        with pytest.raises(LockTimeout, match=r"not free within 0\.2 s"):
            async with app.lock("key", wait=timedelta(milliseconds=200)):
                pytest.fail("two hold it")
        assert time.monotonic() - began_at >= 0.2


async def test_a_lock_ends_with_its_life(app: AsyncQ) -> None:
    async with app:
        dead = app.lock("key", ttl=0.2)
        assert await dead.acquire()
        async with app.lock("key", wait=PATIENT):
            assert not await dead.extend()
            assert not await dead.release()


async def test_extend_gives_a_lock_another_life(app: AsyncQ) -> None:
    async with app:
        lock = app.lock("key", ttl=None)
        assert await lock.acquire()
        assert await lock.extend()
        assert await lock.extend(timedelta(milliseconds=50))
        async with app.lock("key", wait=PATIENT):
            assert not await lock.extend()


async def test_a_lock_that_ran_out_in_its_block_is_told(app: AsyncQ, caplog: pytest.LogCaptureFixture) -> None:
    async with app:
        async with app.lock("key", ttl=0.05), app.lock("key", wait=PATIENT):
            pass
        assert "lock 'key' ran out before its block ended" in caplog.text
        caplog.clear()
        async with app.lock("key") as lock:
            assert await lock.release()
        assert caplog.text == ""


async def test_acquire_and_release_by_hand(app: AsyncQ) -> None:
    async with app:
        mine, other = app.lock("key"), app.lock("key")
        before = mine.owner
        assert before is None
        assert await mine.acquire()
        assert mine.owner is not None
        assert await other.holder() == mine.owner
        assert not await other.acquire()
        assert not await other.release()
        assert await mine.release()
        assert not await mine.release()
        assert await other.acquire()


async def test_who_did_not_get_a_shared_lock_does_not_release_it(app: AsyncQ) -> None:
    lock = app.lock("key")

    async def work() -> None:
        assert not await lock.acquire()
        assert not await lock.release()
        assert not await lock.extend()

    async with app, lock:
        await together(work)
        assert await lock.holder() == lock.owner


async def test_a_named_owner_can_be_somewhere_else(app: AsyncQ) -> None:
    async with app:
        assert await app.lock("key", owner="order-7").acquire()
        assert not await app.lock("key", owner="order-8").release()
        assert await app.lock("key", owner="order-7").extend()
        assert await app.lock("key", owner="order-7").release()
        assert await app.lock("key").holder() is None


async def test_force_frees_the_lock_of_another(app: AsyncQ) -> None:
    async with app:
        assert await app.lock("key", ttl=None).acquire()
        await app.lock("key").force()
        assert await app.lock("key").acquire()


async def test_a_block_may_be_left_in_another_task(app: AsyncQ) -> None:
    async with app:
        lock = app.lock("key")
        await asyncio.create_task(lock.__aenter__())
        await asyncio.create_task(lock.__aexit__(None, None, None))
        assert await lock.holder() is None


async def test_an_error_or_a_cancellation_in_the_block_frees_the_lock(app: AsyncQ) -> None:
    async with app:
        with pytest.raises(ZeroDivisionError):
            async with app.lock("key"):
                raise ZeroDivisionError
        with anyio.CancelScope() as scope:
            async with app.lock("key"):
                scope.cancel()
                await anyio.sleep(PATIENT)
        assert await app.lock("key").holder() is None


async def test_whoever_is_cancelled_while_waiting_holds_nothing(app: AsyncQ) -> None:
    async with app:
        async with app.lock("key"):
            with anyio.move_on_after(0.1):
                await app.lock("key", wait=None).acquire()
                pytest.fail("two hold it")
        lock = app.lock("key")
        for turns in range(8):
            task = asyncio.create_task(lock.acquire())
            for _ in range(turns):
                await asyncio.sleep(0)
            if task.cancel():
                with pytest.raises(asyncio.CancelledError):
                    await task
            else:
                assert await lock.release()
            assert await lock.holder() is None


async def test_then_calls_what_it_is_given(app: AsyncQ) -> None:
    crowd = Crowd()
    async with app:
        assert await app.lock("key").then(crowd.visit) == 0
        assert await app.lock("key").then(lambda: "plain") == "plain"
        async with app.lock("key"):
            with pytest.raises(LockTimeout):
                await app.lock("key").then(crowd.visit)
    assert crowd.total == 1


# --- funnels ----------------------------------------------------------------------------------------------------------


async def test_a_funnel_lets_so_many_in_at_a_time(app: AsyncQ) -> None:
    crowd, shared = Crowd(), app.funnel("key", limit=3, wait=PATIENT)

    async def own() -> None:
        async with app.funnel("key", limit=3, wait=PATIENT):
            await crowd.visit()

    async def share() -> None:
        async with shared:
            await crowd.visit()

    async with app:
        await together(*[own, share] * 8)
        assert (await shared.state()).remaining == 3
    assert crowd.total == 16
    assert 1 <= crowd.most <= 3


async def test_a_full_funnel_says_how_long_it_may_last(app: AsyncQ) -> None:
    async with app:
        first = app.funnel("key", limit=1, ttl=20)
        async with first:
            with pytest.raises(
                LockTimeout, match=r"funnel 'key' has 1 holders, .* give a wait .* in \d+\.\d s"
            ) as caught:
                async with app.funnel("key", limit=1):
                    pytest.fail("too many")
            assert (caught.value.key, caught.value.limit) == ("key", 1)
            assert caught.value.retry_after == pytest.approx(20, abs=5)
        assert await first.acquire()
        await first.clear()
        assert (await first.state()).allowed


async def test_the_slot_of_a_dead_holder_becomes_free(app: AsyncQ) -> None:
    async with app:
        dead = app.funnel("key", limit=1, ttl=0.2)
        assert await dead.acquire()
        async with app.funnel("key", limit=1, wait=PATIENT) as alive:
            assert await alive.extend(60)
            assert not await dead.release()


async def test_a_release_lets_a_waiting_one_in_long_before_the_life_ends(app: AsyncQ) -> None:
    async with app:
        entered = anyio.Event()

        async def waiting() -> None:
            async with app.funnel("key", limit=1, ttl=600, wait=None):
                entered.set()

        async with anyio.create_task_group() as group:
            async with app.funnel("key", limit=1, ttl=600):
                group.start_soon(waiting)
                await anyio.sleep(0.05)
                assert not entered.is_set()
            with anyio.fail_after(PATIENT):
                await entered.wait()


async def test_those_who_wait_in_one_process_ask_the_store_one_at_a_time(
    app: AsyncQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app:
        store = (await app.engine()).driver("default").stores.funnels
        assert store is not None
        refusals = 0
        acquire = store.acquire

        async def counted(key: str, owner: str, /, *, limit: int, ttl: float) -> Any:
            nonlocal refusals
            state = await acquire(key, owner, limit=limit, ttl=ttl)
            refusals += not state.allowed
            return state

        async def waiting() -> None:
            async with app.funnel("key", limit=1, wait=PATIENT):
                pass

        monkeypatch.setattr(store, "acquire", counted)
        async with anyio.create_task_group() as group, app.funnel("key", limit=1):
            for _ in range(30):
                group.start_soon(waiting)
            await eventually(lambda: refusals >= 40, within=PATIENT)
            began_at, before = time.monotonic(), refusals
            await eventually(lambda: refusals >= before + 4, within=PATIENT)
            # Thirty that each look every quarter of a second would look four times in a thirtieth of one.
            assert time.monotonic() - began_at >= 0.4


async def test_whoever_leaves_the_line_does_not_hold_up_the_others(app: AsyncQ) -> None:
    async with app:
        lock, entered = app.lock("key", wait=PATIENT), list[int]()

        async def waiting(number: int) -> None:
            async with lock:
                entered.append(number)

        async with app.lock("key"):
            tasks = [asyncio.create_task(waiting(number)) for number in range(4)]
            await anyio.sleep(0.05)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.wait(tasks[::2])
        with anyio.fail_after(PATIENT):
            await asyncio.wait(tasks)
        assert sorted(entered) == [1, 3]
        assert await lock.holder() is None


async def test_a_line_that_is_too_long_ends_with_the_wait(app: AsyncQ) -> None:
    async with app, app.lock("key"), anyio.create_task_group() as group:
        group.start_soon(app.lock("key", wait=2).acquire)
        await anyio.sleep(0.05)
        assert not await app.lock("key", wait=0.1).acquire()
        group.cancel_scope.cancel()


# --- throttles --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sliding", [False, True])
async def test_a_throttle_lets_so_many_through(app: AsyncQ, sliding: bool) -> None:
    async with app:
        throttle = app.throttle("key", limit=2, per=600, sliding=sliding)
        async with throttle as state:
            assert state.remaining == 1
        assert (await throttle.hit()).allowed
        with pytest.raises(
            LockTimeout, match=r"throttle 'key' has had its 2 in 600 s .*; it opens in [56]\d\d\.\d s"
        ) as caught:
            await throttle.then(lambda: pytest.fail("three went through"))
        assert (caught.value.key, caught.value.limit) == ("key", 2)
        assert caught.value.retry_after == pytest.approx(600, abs=10)
        assert not (await throttle.state()).allowed
        await throttle.clear()
        assert (await throttle.state()).remaining == 2


@pytest.mark.parametrize("sliding", [False, True])
async def test_who_waits_at_a_throttle_goes_on_when_it_opens(app: AsyncQ, sliding: bool) -> None:
    passed: list[float] = []
    per = 0.4

    async def work() -> None:
        async with app.throttle("key", limit=2, per=per, wait=PATIENT, sliding=sliding):
            passed.append(time.monotonic())

    async with app:
        began_at = time.monotonic()
        await together(*[work] * 5)
    assert len(passed) == 5
    # The third waits for one window, the fifth for two; a refusal is known here a little after the store's instant.
    assert sum(at - began_at >= per - 0.05 for at in passed) >= 3
    assert passed[-1] - began_at >= 2 * (per - 0.05)


async def test_a_wait_that_cannot_succeed_ends_at_once(app: AsyncQ) -> None:
    async with app:
        throttle = app.throttle("key", limit=1, per=timedelta(hours=1), wait=timedelta(minutes=20))
        await throttle.hit()
        with anyio.fail_after(PATIENT):
            assert not (await throttle.hit()).allowed


async def test_a_waiting_one_asks_the_store_rarely(app: AsyncQ, monkeypatch: pytest.MonkeyPatch) -> None:
    async with app:
        store = (await app.engine()).driver("default").stores.limits
        assert store is not None
        calls: list[bool] = []
        hit = store.hit

        async def counted(key: str, /, *, limit: int, per: float, sliding: bool = False) -> Any:
            state = await hit(key, limit=limit, per=per, sliding=sliding)
            calls.append(state.allowed)
            return state

        monkeypatch.setattr(store, "hit", counted)
        for _ in range(2):
            async with app.throttle("key", limit=1, per=0.5, wait=PATIENT):
                pass
    assert calls[-1]
    assert len(calls) <= 4  # the pass, the refusal, the pass; perhaps one look a little too early


# --- what is refused, and where it works ------------------------------------------------------------------------------

WRONG: dict[str, Callable[[AsyncQ], object]] = {
    "needs a key": lambda app: app.lock(""),
    "ttl=0 is no time": lambda app: app.lock("key", ttl=0),
    "wait=-1 is negative": lambda app: app.lock("key", wait=-1),
    "limit=0 lets nobody through": lambda app: app.funnel("key", limit=0),
    "ttl=-5 is no time": lambda app: app.funnel("key", limit=1, ttl=-5),
    "limit=-1 lets nobody through": lambda app: app.throttle("key", limit=-1, per=60),
    "per=0 is no time": lambda app: app.throttle("key", limit=1, per=0),
}


@pytest.mark.parametrize("complaint", WRONG)
def test_what_makes_no_sense_is_refused(complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        WRONG[complaint](AsyncQ("memory://"))


async def test_a_connection_without_such_stores_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    app = AsyncQ(connections={"bare": "memory://bare", "full": "memory://full"}, default="bare")
    async with app:
        driver = (await app.engine()).driver("bare")
        monkeypatch.setattr(driver, "stores", Stores())
        for gate, what in (
            (app.lock("key"), "lock"),
            (app.funnel("key", limit=1), "funnel"),
            (app.throttle("key", limit=1, per=1), "throttle"),
        ):
            with pytest.raises(
                NotSupported, match=rf"connection 'bare' keeps no {what}s; .*app\.{what}\(…, connection"
            ):
                await gate.then(lambda: None)


async def test_another_connection_can_be_named() -> None:
    async with AsyncQ(connections={"a": "memory://", "b": "memory://"}, default="a") as app:
        async with app.lock("key"), app.lock("key", connection="b"):
            pass
        with pytest.raises(ConfigError, match="no connection is called 'c'"):
            await app.lock("key", connection="c").acquire()


def test_the_error_travels() -> None:
    error = LockTimeout("why", key="key", limit=3, retry_after=1.5)
    same = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(same), same.key, same.limit, same.retry_after) == ("why", "key", 3, 1.5)


async def test_a_job_releases_itself_for_as_long_as_the_throttle_is_closed(app: AsyncQ) -> None:
    class Call(Job, tries=0):
        seen: ClassVar[list[int]] = []
        number: int

        async def handle(self) -> None:
            queue = host()
            assert isinstance(queue, AsyncQ)
            async with queue.throttle("api", limit=1, per=0.3, wait=PATIENT):
                self.seen.append(self.number)

    async with app, app.worker(concurrency=3):
        for number in range(3):
            await Call(number=number).dispatch()
        await eventually(lambda: len(Call.seen) == 3)
        await empty(app)
    assert sorted(Call.seen) == [0, 1, 2]
