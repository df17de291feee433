"""What a limit store promises."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver
from asyncq.records import LimitState
from asyncq.stores import LimitStore
from tests.contract.backends import Backend
from tests.contract.jobs import there

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


async def test_clear_forgets_a_window(backend: Backend, limits: LimitStore) -> None:
    await limits.hit("key", limit=1, per=backend.unit)
    await limits.clear("key")
    await limits.clear("unknown")
    assert (await limits.hit("key", limit=1, per=backend.unit)).allowed
