"""What a limit store promises."""

from __future__ import annotations

import anyio
import pytest

from asyncq.contracts import Driver
from asyncq.records import LimitState
from asyncq.stores import LimitStore
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import there

pytestmark = pytest.mark.needs("limits")


@pytest.fixture
def limits(driver: Driver) -> LimitStore:
    return there(driver.stores.limits)


async def test_a_window_has_room_for_so_many_hits(backend: Backend, limits: LimitStore) -> None:
    states = [await limits.hit("key", limit=3, per=backend.unit) for _ in range(5)]
    assert [(state.allowed, state.remaining) for state in states] == [
        (True, 2),
        (True, 1),
        (True, 0),
        (False, 0),
        (False, 0),
    ]
    assert [state.retry_after for state in states[:3]] == [0.0, 0.0, 0.0]
    assert states[3].retry_after == pytest.approx(backend.unit, abs=0.05)


async def test_a_window_starts_at_its_first_hit_and_stands(backend: Backend, limits: LimitStore) -> None:
    await limits.hit("key", limit=2, per=backend.unit)
    await backend.turn(backend.unit * 0.6)
    await limits.hit("key", limit=2, per=backend.unit)
    refused = await limits.hit("key", limit=2, per=backend.unit)
    assert not refused.allowed
    assert refused.retry_after == pytest.approx(backend.unit * 0.4, abs=0.05)
    await backend.turn(backend.unit * 0.4 + 0.01)
    assert await limits.hit("key", limit=2, per=backend.unit) == LimitState(True, 1, 0.0)


async def test_a_refused_hit_is_not_counted(backend: Backend, limits: LimitStore) -> None:
    await limits.hit("key", limit=1, per=backend.unit)
    for _ in range(3):
        assert not (await limits.hit("key", limit=1, per=backend.unit)).allowed
    assert (await limits.hit("key", limit=2, per=backend.unit)).allowed


async def test_keys_are_counted_apart_and_across_clients(backend: Backend, limits: LimitStore) -> None:
    await limits.hit("key", limit=1, per=backend.unit)
    assert (await limits.hit("another", limit=1, per=backend.unit)).allowed
    async with backend.fresh() as other:
        assert not (await there(other.stores.limits).hit("key", limit=1, per=backend.unit)).allowed


async def test_state_counts_nothing(backend: Backend, limits: LimitStore) -> None:
    assert await limits.state("key", limit=2) == LimitState(True, 2, 0.0)
    await limits.hit("key", limit=2, per=backend.unit)
    assert await limits.state("key", limit=2) == LimitState(True, 1, 0.0)
    assert await limits.state("key", limit=2) == LimitState(True, 1, 0.0)
    await limits.hit("key", limit=2, per=backend.unit)
    state = await limits.state("key", limit=2)
    assert (state.allowed, state.remaining) == (False, 0)
    assert state.retry_after == pytest.approx(backend.unit, abs=0.05)


@pytest.mark.parametrize("sliding", [False, True])
async def test_clear_forgets_a_window(backend: Backend, limits: LimitStore, sliding: bool) -> None:
    await limits.hit("key", limit=1, per=backend.unit, sliding=sliding)
    await limits.clear("key")
    await limits.clear("unknown")
    assert (await limits.hit("key", limit=1, per=backend.unit, sliding=sliding)).allowed


async def test_a_sliding_window_has_room_for_so_many_hits(backend: Backend, limits: LimitStore) -> None:
    states = [await limits.hit("key", limit=2, per=backend.unit, sliding=True) for _ in range(4)]
    assert [(state.allowed, state.remaining) for state in states] == [(True, 1), (True, 0), (False, 0), (False, 0)]
    assert [state.retry_after for state in states[:2]] == [0.0, 0.0]
    assert states[2].retry_after == pytest.approx(backend.unit, abs=0.05)


async def test_in_a_sliding_window_each_hit_counts_for_a_time_of_its_own(backend: Backend, limits: LimitStore) -> None:
    await limits.hit("key", limit=2, per=backend.unit, sliding=True)
    await backend.turn(backend.unit * 0.6)
    await limits.hit("key", limit=2, per=backend.unit, sliding=True)
    refused = await limits.hit("key", limit=2, per=backend.unit, sliding=True)
    assert refused.retry_after == pytest.approx(backend.unit * 0.4, abs=0.05)
    await backend.turn(backend.unit * 0.4 + 0.01)
    # The first hit is over, the second counts on: a window that starts anew would have room for two.
    assert await limits.hit("key", limit=2, per=backend.unit, sliding=True) == LimitState(True, 0, 0.0)
    refused = await limits.hit("key", limit=2, per=backend.unit, sliding=True)
    assert not refused.allowed
    assert refused.retry_after == pytest.approx(backend.unit * 0.6, abs=0.05)


async def test_a_refused_hit_in_a_sliding_window_is_not_counted(backend: Backend, limits: LimitStore) -> None:
    await limits.hit("key", limit=1, per=backend.unit, sliding=True)
    await backend.turn(backend.unit * 0.6)
    assert not (await limits.hit("key", limit=1, per=backend.unit, sliding=True)).allowed
    await backend.turn(backend.unit * 0.4 + 0.01)
    assert (await limits.hit("key", limit=1, per=backend.unit, sliding=True)).allowed


async def test_a_lowered_limit_waits_until_enough_hits_are_over(backend: Backend, limits: LimitStore) -> None:
    for pause in (0.3, 0.3, 0.0):
        await limits.hit("key", limit=3, per=backend.unit, sliding=True)
        await backend.turn(backend.unit * pause)
    state = await limits.state("key", limit=1, sliding=True)
    assert (state.allowed, state.remaining) == (False, 0)
    assert state.retry_after == pytest.approx(backend.unit, abs=0.05)
    state = await limits.hit("key", limit=2, per=backend.unit, sliding=True)
    assert state.retry_after == pytest.approx(backend.unit * 0.7, abs=0.05)


async def test_the_state_of_a_sliding_window_counts_nothing(backend: Backend, limits: LimitStore) -> None:
    assert await limits.state("key", limit=1, sliding=True) == LimitState(True, 1, 0.0)
    await limits.hit("key", limit=2, per=backend.unit, sliding=True)
    for _ in range(2):
        assert await limits.state("key", limit=2, sliding=True) == LimitState(True, 1, 0.0)
    state = await limits.state("key", limit=1, sliding=True)
    assert state.retry_after == pytest.approx(backend.unit, abs=0.05)


async def test_the_two_kinds_of_windows_of_a_key_are_counted_apart(backend: Backend, limits: LimitStore) -> None:
    await limits.hit("key", limit=1, per=backend.unit, sliding=True)
    assert (await limits.hit("key", limit=1, per=backend.unit)).allowed
    async with backend.fresh() as other:
        assert not (await there(other.stores.limits).hit("key", limit=1, per=backend.unit, sliding=True)).allowed


@pytest.mark.parametrize("sliding", [False, True])
async def test_hits_at_one_moment_never_exceed_the_limit(backend: Backend, limits: LimitStore, sliding: bool) -> None:
    allowed: list[bool] = []
    async with backend.fresh() as other, anyio.create_task_group() as group:

        async def hit(store: LimitStore) -> None:
            allowed.append((await store.hit("key", limit=7, per=backend.unit * 50, sliding=sliding)).allowed)

        for _ in range(20):
            group.start_soon(hit, limits)
            group.start_soon(hit, there(other.stores.limits))
    assert allowed.count(True) == 7


@pytest.mark.parametrize("sliding", [False, True])
async def test_a_limit_of_none_refuses_and_opens_never(limits: LimitStore, sliding: bool) -> None:
    assert await limits.hit("key", limit=0, per=1.0, sliding=sliding) == LimitState(False, 0, 0.0)
    assert await limits.state("key", limit=0, sliding=sliding) == LimitState(False, 0, 0.0)
