"""What the keeper promises, from a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from asyncq.contracts import Driver, Keeper
from asyncq.payload import Done, Effects, Released, Reservation, Settlement
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.jobs import ids, job, push, reserve, reserve_one, settle
from asyncq.testing.conformance.relaying import relayed

T = TypeVar("T")


def keeping(driver: Driver, action: Callable[[Keeper], T]) -> T:
    """Enter a keeper, use it and leave it, all in the calling thread."""
    with driver.keeper() as keeper:
        return action(keeper)


async def in_thread(driver: Driver, action: Callable[[Keeper], T]) -> T:
    """Use a keeper in a thread of its own while the loop goes on."""
    with anyio.fail_after(10):
        return await anyio.to_thread.run_sync(keeping, driver, action)


def with_blocked_loop(driver: Driver, action: Callable[[Keeper], None]) -> None:
    """Use a keeper in a thread of its own while the loop stands still."""
    failures: list[BaseException] = []

    def body() -> None:
        try:
            keeping(driver, action)
        except BaseException as failure:
            failures.append(failure)
            raise

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive(), "the keeper waits for the loop"
    assert not failures, failures


async def test_a_keeper_is_entered_again_after_a_failure(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve(driver)

    def twice() -> list[Sequence[Reservation]]:
        keeper, answers = driver.keeper(), list[Sequence[Reservation]]()
        for _ in range(2):
            with suppress(ZeroDivisionError), keeper as kept:
                answers.append(kept.extend(held))
                raise ZeroDivisionError
        return answers

    with anyio.fail_after(10):
        assert list(map(list, await anyio.to_thread.run_sync(twice))) == [[], []]


async def test_a_keeper_extends_leases(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b")
    held = await reserve(driver)
    for _ in range(3):
        await backend.turn(driver.lease * 0.7)
        assert list(await in_thread(driver, lambda keeper: keeper.extend(held))) == []
        assert await reserve(driver) == []
    await backend.turn(driver.lease + 0.01)
    assert [(one.id, one.crashes) for one in await reserve(driver)] == [("a", 1), ("b", 1)]


async def test_a_keeper_answers_what_was_lost(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b", "c")
    held = await reserve(driver)
    await settle(driver, held[0], Done())
    await settle(driver, held[1], Released(None))
    assert ids(await in_thread(driver, lambda keeper: keeper.extend(held))) == ["a", "b"]
    await backend.turn(driver.lease + 0.01)
    await driver.reserve(["default"], limit=0)
    assert ids(await in_thread(driver, lambda keeper: keeper.extend(held[2:]))) == ["c"]


async def test_a_keeper_extends_while_the_loop_is_blocked(backend: Backend, driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve(driver)
    await backend.turn(driver.lease * 0.7)
    with_blocked_loop(driver, lambda keeper: _nothing(keeper.extend(held)))
    await backend.turn(driver.lease * 0.7)
    assert await reserve(driver) == []


async def test_a_keeper_settles_while_the_loop_is_blocked(backend: Backend, driver: Driver) -> None:
    await push(driver, "a", "b", "c")
    first, second, third = await reserve(driver)
    await settle(driver, third, Done())
    settlements = [
        Settlement(first, Done(), Effects(push=(job("next", queue="later"),))),
        Settlement(second, Released(None, count="nothing")),
        Settlement(third, Done(), Effects(push=(job("never", queue="later"),))),
    ]
    stale: list[str] = []
    with_blocked_loop(driver, lambda keeper: stale.extend(ids(keeper.settle(settlements))))
    assert stale == ["c"]
    await relayed(driver)
    async with backend.fresh() as other:
        assert ids(await reserve(other, "default", "later")) == ["b", "next"]


async def test_a_settlement_of_the_keeper_ends_a_wait(driver: Driver) -> None:
    await push(driver, "a")
    held = await reserve_one(driver)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: driver.wait(["default"], timeout=1_000.0))
            await in_thread(driver, lambda keeper: keeper.settle([Settlement(held, Released(None))]))
    assert ids(await reserve(driver)) == ["a"]


async def test_a_keeper_keeps_reservations_that_were_made_but_not_answered_yet(
    backend: Backend, driver: Driver
) -> None:
    """The loop stands still from before the reserve is done until after its lease would have ended."""
    await reserve(driver)  # a first call may have to learn something of the broker before it is sent
    await push(driver, "a")
    call = asyncio.ensure_future(driver.reserve(["default"], limit=1))
    await asyncio.sleep(0)

    def action(keeper: Keeper) -> None:
        sent.append(asyncio.run(_is_reserved(backend)))
        for _ in range(3):
            backend.clock.turn(driver.lease * 0.7)
            keeper.extend([])

    sent: list[bool] = []
    if call.done():
        pytest.skip("answered in the step that reserved: nothing lies between")
    with_blocked_loop(driver, action)
    if not sent[0]:
        await call
        pytest.skip("sent in more steps than one: nothing is reserved while the loop stands still")
    with anyio.fail_after(10):
        held = (await call).items[0]
    assert await reserve(driver) == []
    assert await settle(driver, held, Done()) == []


async def _is_reserved(backend: Backend) -> bool:
    """Return True when another client sees the reservation, False where it does not come."""
    async with backend.fresh() as other:
        with anyio.move_on_after(3):
            while (await other.sizes(["default"]))["default"].reserved == 0:  # noqa: ASYNC110
                await anyio.sleep(0.001)
            return True
    return False


def _nothing(lost: object) -> None:
    assert lost == []


async def test_two_keepers_may_work_at_once_with_the_driver(driver: Driver) -> None:
    """Threads and loop settle different jobs of one store, over and over; each job ends once."""
    names = [f"{number:04}" for number in range(300)]
    await push(driver, *names)
    held = await reserve(driver, limit=300)
    shares = [held[0::3], held[1::3], held[2::3]]

    def settle_share(keeper: Keeper, share: int) -> list[str]:
        stale: list[str] = []
        for one in shares[share]:
            keeper.extend([one])
            stale += ids(keeper.settle([Settlement(one, Done(), Effects(push=(job(f"after-{one.id}"),)))]))
        return stale

    stale: list[str] = []

    async def one_thread(share: int) -> None:
        stale.extend(await in_thread(driver, lambda keeper: settle_share(keeper, share)))

    async with anyio.create_task_group() as group:
        group.start_soon(one_thread, 0)
        group.start_soon(one_thread, 1)
        for one in shares[2]:
            stale += await settle(driver, one, Done(), push=(job(f"after-{one.id}"),))
            await anyio.lowlevel.checkpoint()
    assert stale == []
    assert sorted(ids(await reserve(driver, limit=1_000))) == [f"after-{name}" for name in names]
