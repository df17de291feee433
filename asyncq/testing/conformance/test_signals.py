"""What a store of signals promises."""

from __future__ import annotations

import pytest

from asyncq.contracts import Driver
from asyncq.stores import SignalStore
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import there

pytestmark = pytest.mark.needs("signals")


@pytest.fixture
def signals(driver: Driver) -> SignalStore:
    return there(driver.stores.signals)


async def test_a_flag_is_seen_by_all(backend: Backend, signals: SignalStore) -> None:
    await signals.put("pause:high", b"\x00yes")
    async with backend.fresh() as other:
        found = await there(other.stores.signals).get(["pause:high", "unknown"])
    assert {name: (signal.name, signal.value) for name, signal in found.items()} == {
        "pause:high": ("pause:high", b"\x00yes")
    }


async def test_a_later_value_replaces_the_earlier_one(backend: Backend, signals: SignalStore) -> None:
    await signals.put("a", b"1", ttl=backend.unit)
    first = (await signals.get(["a"]))["a"]
    await backend.turn(backend.unit * 0.5)
    await signals.put("a", b"2")
    await backend.turn(backend.unit)
    second = (await signals.get(["a"]))["a"]
    assert second.value == b"2"
    assert second.at - first.at == pytest.approx(backend.unit * 0.5, abs=0.05)


async def test_a_flag_with_ttl_vanishes(backend: Backend, signals: SignalStore) -> None:
    await signals.put("a", b"", ttl=backend.unit)
    await signals.put("b", b"")
    await backend.turn(backend.unit - 0.05)
    assert set(await signals.get(["a", "b"])) == {"a", "b"}
    await backend.turn(0.06)
    assert set(await signals.get(["a", "b"])) == {"b"}
    assert [signal.name for signal in await signals.page("")] == ["b"]
    assert await signals.forget(["a"]) == 0


async def test_pages_go_by_the_start_of_the_name(signals: SignalStore) -> None:
    for name in ("worker:b", "worker:a", "worker%", "worker_:c", "Worker:d", "pause"):
        await signals.put(name, b"")
    assert [signal.name for signal in await signals.page("worker:")] == ["worker:a", "worker:b"]
    assert [signal.name for signal in await signals.page("worker_")] == ["worker_:c"]
    assert [signal.name for signal in await signals.page("worker%")] == ["worker%"]
    assert len(await signals.page("")) == 6


async def test_forget_says_how_many_were_set(signals: SignalStore) -> None:
    await signals.put("a", b"")
    await signals.put("b", b"")
    assert await signals.forget(["a", "unknown"]) == 1
    assert set(await signals.get(["a", "b"])) == {"b"}
