"""What a funnel store promises."""

from __future__ import annotations

from random import Random

import anyio
import pytest

from asyncq.contracts import Driver
from asyncq.records import LimitState
from asyncq.stores import FunnelStore
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import there

pytestmark = pytest.mark.needs("funnels")

LONG = 600.0


@pytest.fixture
def funnels(driver: Driver) -> FunnelStore:
    return there(driver.stores.funnels)


async def test_a_funnel_has_so_many_slots(backend: Backend, funnels: FunnelStore) -> None:
    states = [await funnels.acquire("key", f"{number}", limit=2, ttl=LONG) for number in range(3)]
    assert states[:2] == [LimitState(True, 1, 0.0), LimitState(True, 0, 0.0)]
    assert (states[2].allowed, states[2].remaining) == (False, 0)
    assert states[2].retry_after == pytest.approx(LONG, abs=5)
    assert (await funnels.acquire("another", "2", limit=2, ttl=LONG)).allowed
    async with backend.fresh() as other:
        assert not (await there(other.stores.funnels).acquire("key", "2", limit=2, ttl=LONG)).allowed


async def test_only_the_owner_frees_a_slot(funnels: FunnelStore) -> None:
    await funnels.acquire("key", "one", limit=1, ttl=LONG)
    assert not await funnels.release("key", "two")
    assert not (await funnels.acquire("key", "two", limit=1, ttl=LONG)).allowed
    assert await funnels.release("key", "one")
    assert not await funnels.release("key", "one")
    assert (await funnels.acquire("key", "two", limit=1, ttl=LONG)).allowed


async def test_the_slot_of_a_holder_that_died_becomes_free(backend: Backend, funnels: FunnelStore) -> None:
    await funnels.acquire("key", "one", limit=2, ttl=backend.unit)
    await backend.turn(backend.unit * 0.5)
    await funnels.acquire("key", "two", limit=2, ttl=backend.unit)
    refused = await funnels.acquire("key", "three", limit=2, ttl=LONG)
    assert refused.retry_after == pytest.approx(backend.unit * 0.5, abs=0.05)
    await backend.turn(backend.unit * 0.5 + 0.01)
    assert await funnels.acquire("key", "three", limit=2, ttl=LONG) == LimitState(True, 0, 0.0)
    assert not await funnels.release("key", "one")
    assert not await funnels.extend("key", "one", ttl=LONG)


async def test_acquiring_again_restarts_the_life_and_takes_no_second_slot(
    backend: Backend, funnels: FunnelStore
) -> None:
    await funnels.acquire("key", "one", limit=2, ttl=backend.unit)
    await backend.turn(backend.unit * 0.7)
    assert await funnels.acquire("key", "one", limit=2, ttl=backend.unit) == LimitState(True, 1, 0.0)
    await backend.turn(backend.unit * 0.7)
    assert await funnels.state("key", limit=2) == LimitState(True, 1, 0.0)
    await backend.turn(backend.unit * 0.4)
    assert await funnels.state("key", limit=2) == LimitState(True, 2, 0.0)


async def test_extend_restarts_the_life_of_the_owner_only(backend: Backend, funnels: FunnelStore) -> None:
    await funnels.acquire("key", "one", limit=1, ttl=backend.unit)
    await backend.turn(backend.unit * 0.7)
    assert not await funnels.extend("key", "two", ttl=LONG)
    assert not await funnels.extend("unknown", "one", ttl=LONG)
    assert await funnels.extend("key", "one", ttl=backend.unit)
    await backend.turn(backend.unit * 0.7)
    assert not (await funnels.acquire("key", "two", limit=1, ttl=LONG)).allowed
    await backend.turn(backend.unit * 0.4)
    assert (await funnels.acquire("key", "two", limit=1, ttl=LONG)).allowed


async def test_a_shorter_life_than_before_counts_from_now(backend: Backend, funnels: FunnelStore) -> None:
    await funnels.acquire("key", "one", limit=1, ttl=LONG)
    await funnels.extend("key", "one", ttl=backend.unit)
    assert (await funnels.state("key", limit=1)).retry_after == pytest.approx(backend.unit, abs=0.05)
    await backend.turn(backend.unit + 0.01)
    assert (await funnels.acquire("key", "two", limit=1, ttl=LONG)).allowed


async def test_state_takes_no_slot(funnels: FunnelStore) -> None:
    assert await funnels.state("key", limit=2) == LimitState(True, 2, 0.0)
    await funnels.acquire("key", "one", limit=2, ttl=LONG)
    for _ in range(3):
        assert await funnels.state("key", limit=2) == LimitState(True, 1, 0.0)
    state = await funnels.state("key", limit=1)
    assert (state.allowed, state.remaining) == (False, 0)
    assert state.retry_after == pytest.approx(LONG, abs=5)


async def test_a_lowered_limit_holds_until_enough_have_left(funnels: FunnelStore) -> None:
    for number in range(3):
        await funnels.acquire("key", f"{number}", limit=3, ttl=LONG)
    await funnels.release("key", "0")
    assert not (await funnels.acquire("key", "new", limit=2, ttl=LONG)).allowed
    await funnels.release("key", "1")
    assert await funnels.acquire("key", "new", limit=2, ttl=LONG) == LimitState(True, 0, 0.0)


async def test_clear_frees_all_slots(funnels: FunnelStore) -> None:
    await funnels.acquire("key", "one", limit=1, ttl=LONG)
    await funnels.clear("key")
    await funnels.clear("unknown")
    assert not await funnels.release("key", "one")
    assert (await funnels.acquire("key", "two", limit=1, ttl=LONG)).allowed


async def test_holders_of_one_moment_are_never_more_than_the_limit(backend: Backend, funnels: FunnelStore) -> None:
    allowed: list[bool] = []
    async with backend.fresh() as other, anyio.create_task_group() as group:

        async def acquire(store: FunnelStore, owner: str) -> None:
            allowed.append((await store.acquire("key", owner, limit=5, ttl=LONG)).allowed)

        for number in range(15):
            group.start_soon(acquire, funnels, f"here-{number}")
            group.start_soon(acquire, there(other.stores.funnels), f"there-{number}")
    assert allowed.count(True) == 5


async def test_many_slots_that_ended_do_not_hide_those_that_live(backend: Backend, funnels: FunnelStore) -> None:
    await funnels.acquire("lasting", "one", limit=1, ttl=LONG)
    for number in range(150):
        await funnels.acquire("short", f"{number}", limit=200, ttl=backend.unit)
    await backend.turn(backend.unit + 0.01)
    assert await funnels.acquire("short", "new", limit=1, ttl=LONG) == LimitState(True, 0, 0.0)
    assert not (await funnels.acquire("lasting", "two", limit=1, ttl=LONG)).allowed


async def test_whatever_happens_the_slots_are_those_of_a_plain_count(backend: Backend, funnels: FunnelStore) -> None:
    if not backend.histories:
        pytest.skip("the time of this backend cannot be turned")
    random, ends, now = Random(7), dict[str, float](), 0.0
    for _ in range(backend.histories * 5):
        now += (passed := random.choice([0.0, 0.0, 1.0, 2.5]))
        await backend.turn(passed)
        ends = {owner: end for owner, end in ends.items() if end > now}
        owner, limit, ttl = f"{random.randrange(8)}", random.randint(1, 5), random.choice([1.0, 3.0, 10.0])
        match random.randrange(4):
            case 0:
                assert await funnels.release("key", owner) == (ends.pop(owner, None) is not None)
            case 1:
                assert await funnels.extend("key", owner, ttl=ttl) == (owner in ends)
                ends |= {owner: now + ttl} if owner in ends else {}
            case _:
                free = owner in ends or len(ends) < limit
                ends |= {owner: now + ttl} if free else {}
                assert (await funnels.acquire("key", owner, limit=limit, ttl=ttl)).allowed == free
        state = await funnels.state("key", limit=limit)
        assert (state.allowed, state.remaining) == (len(ends) < limit, max(0, limit - len(ends)))
        opens_at = sorted(ends.values())[len(ends) - limit] if len(ends) >= limit else now
        assert state.retry_after == pytest.approx(opens_at - now, abs=0.001)
