"""What a lock store promises."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver
from asyncq.stores import LockStore
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import there

pytestmark = pytest.mark.needs("locks")


@pytest.fixture
def locks(driver: Driver) -> LockStore:
    return there(driver.stores.locks)


async def test_a_lock_has_one_owner(backend: Backend, locks: LockStore) -> None:
    assert await locks.owner("key") is None
    assert await locks.acquire("key", "one", ttl=None)
    assert not await locks.acquire("key", "two", ttl=None)
    assert await locks.acquire("another", "two", ttl=None)
    async with backend.fresh() as other:
        assert await there(other.stores.locks).owner("key") == "one"
        assert not await there(other.stores.locks).acquire("key", "two", ttl=None)


async def test_only_the_owner_frees_a_lock(locks: LockStore) -> None:
    await locks.acquire("key", "one", ttl=None)
    assert not await locks.release("key", "two")
    assert await locks.owner("key") == "one"
    assert await locks.release("key", "one")
    assert not await locks.release("key", "one")
    assert await locks.acquire("key", "two", ttl=None)


async def test_a_lock_ends_with_its_time(backend: Backend, locks: LockStore) -> None:
    await locks.acquire("key", "one", ttl=backend.unit)
    await backend.turn(backend.unit - 0.05)
    assert not await locks.acquire("key", "two", ttl=None)
    await backend.turn(0.06)
    assert await locks.owner("key") is None
    assert not await locks.release("key", "one")
    assert await locks.acquire("key", "two", ttl=None)


async def test_a_lock_without_ttl_has_no_end(backend: Backend, locks: LockStore) -> None:
    await locks.acquire("key", "one", ttl=None)
    await backend.turn(backend.unit * 20)
    assert await locks.owner("key") == "one"


async def test_acquiring_again_restarts_the_life(backend: Backend, locks: LockStore) -> None:
    await locks.acquire("key", "one", ttl=backend.unit)
    await backend.turn(backend.unit * 0.7)
    assert await locks.acquire("key", "one", ttl=backend.unit)
    await backend.turn(backend.unit * 0.7)
    assert await locks.owner("key") == "one"
    await backend.turn(backend.unit * 0.4)
    assert await locks.owner("key") is None


async def test_extend_restarts_the_life_of_the_owner_only(backend: Backend, locks: LockStore) -> None:
    await locks.acquire("key", "one", ttl=backend.unit)
    await backend.turn(backend.unit * 0.7)
    assert not await locks.extend("key", "two", ttl=backend.unit)
    assert await locks.extend("key", "one", ttl=backend.unit)
    await backend.turn(backend.unit * 0.7)
    assert await locks.owner("key") == "one"
    await backend.turn(backend.unit * 0.4)
    assert not await locks.extend("key", "one", ttl=backend.unit)
    assert await locks.owner("key") is None
    assert not await locks.extend("unknown", "one", ttl=None)


async def test_force_frees_a_lock_whoever_holds_it(locks: LockStore) -> None:
    await locks.acquire("key", "one", ttl=None)
    await locks.force("key")
    await locks.force("unknown")
    assert await locks.owner("key") is None
    assert not await locks.release("key", "one")


async def test_many_locks_that_ended_do_not_hide_those_that_live(backend: Backend, locks: LockStore) -> None:
    await locks.acquire("lasting", "one", ttl=None)
    for number in range(150):
        assert await locks.acquire(f"{number}", "one", ttl=backend.unit)
    await backend.turn(backend.unit + 0.01)
    for number in range(150):
        assert await locks.acquire(f"{number}", "two", ttl=None)
    assert await locks.owner("lasting") == "one"
