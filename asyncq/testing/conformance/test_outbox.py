"""What an outbox promises."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from asyncq.contracts import Driver
from asyncq.records import OutboxRow
from asyncq.stores import Outbox, Waking
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, there

pytestmark = pytest.mark.needs("outbox")


@pytest.fixture
def outbox(driver: Driver) -> Outbox:
    return there(driver.stores.outbox)


def row(id: str, body: bytes = b"\x00[]") -> OutboxRow:
    return OutboxRow(id, "failed", "elsewhere", body)


async def test_rows_come_back_as_they_were_written_oldest_first(backend: Backend, outbox: Outbox) -> None:
    await outbox.put([row("z"), row("m")])
    await outbox.put([row("a")])
    async with backend.fresh() as other:
        assert list(await there(other.stores.outbox).take(limit=10, lease=1.0)) == [row("z"), row("m"), row("a")]


async def test_a_row_that_was_taken_is_not_taken_again_within_its_lease(backend: Backend, outbox: Outbox) -> None:
    await outbox.put([row("a"), row("b"), row("c")])
    assert ids(await outbox.take(limit=2, lease=backend.unit)) == ["a", "b"]
    async with backend.fresh() as other:
        assert ids(await there(other.stores.outbox).take(limit=2, lease=backend.unit)) == ["c"]
    await backend.turn(backend.unit - 0.05)
    assert list(await outbox.take(limit=9, lease=backend.unit)) == []
    await backend.turn(0.06)
    assert ids(await outbox.take(limit=9, lease=backend.unit)) == ["a", "b", "c"]


async def test_rows_that_are_done_are_forgotten(backend: Backend, outbox: Outbox) -> None:
    await outbox.put([row("a"), row("b")])
    await outbox.take(limit=2, lease=backend.unit)
    await outbox.done(["a", "unknown"])
    await backend.turn(backend.unit + 0.01)
    assert ids(await outbox.take(limit=9, lease=backend.unit)) == ["b"]
    await outbox.put([row("a")])
    assert ids(await outbox.take(limit=9, lease=backend.unit)) == ["a"]


async def test_a_row_that_is_there_is_kept_as_it_was(backend: Backend, outbox: Outbox) -> None:
    await outbox.put([row("a", b"first"), row("a", b"second")])
    await outbox.put([row("a", b"third")])
    assert [taken.body for taken in await outbox.take(limit=9, lease=backend.unit)] == [b"first"]
    await outbox.put([row("a", b"fourth")])
    assert list(await outbox.take(limit=9, lease=backend.unit)) == []


async def test_nothing_is_taken_where_nothing_is_asked_for(outbox: Outbox) -> None:
    await outbox.put([row("a")])
    assert list(await outbox.take(limit=0, lease=1.0)) == []
    assert ids(await outbox.take(limit=1, lease=1.0)) == ["a"]


@asynccontextmanager
async def woken(outbox: Outbox) -> AsyncGenerator[None]:
    """Wait at an outbox beside the body, which causes the end."""
    if not isinstance(outbox, Waking):
        pytest.skip("this outbox wakes nobody")
    waking = outbox
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: waking.wait(timeout=1_000.0))
            await anyio.sleep(0.05)  # so that it is asleep, where that can be
            yield


async def test_a_row_of_another_client_wakes_who_waits(backend: Backend, outbox: Outbox) -> None:
    async with backend.fresh() as other, woken(outbox):
        await there(other.stores.outbox).put([row("a")])
    assert ids(await outbox.take(limit=9, lease=1.0)) == ["a"]


async def test_a_row_that_is_there_ends_a_wait_at_once(outbox: Outbox) -> None:
    await outbox.put([row("a")])
    async with woken(outbox):
        pass


async def test_the_end_of_a_rows_lease_wakes_who_waits(backend: Backend, outbox: Outbox) -> None:
    await outbox.put([row("a")])
    await outbox.take(limit=1, lease=backend.unit)
    async with woken(outbox):
        await backend.turn(backend.unit + 0.01)
    assert ids(await outbox.take(limit=9, lease=1.0)) == ["a"]


async def test_a_wait_at_an_outbox_ends_after_its_time(outbox: Outbox) -> None:
    if not isinstance(outbox, Waking):
        pytest.skip("this outbox wakes nobody")
    with anyio.fail_after(10):
        await outbox.wait(timeout=0.05)
