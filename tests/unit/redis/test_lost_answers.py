"""A call whose connection breaks, at any of its commands, before or after the server ran it: one effect, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from asyncq.config import Connection
from asyncq.drivers import connect
from asyncq.drivers.redis.calls import call, new_token, reserving
from asyncq.drivers.redis.connecting import wire_of
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.options import options_of
from asyncq.drivers.redis.settling import settling
from asyncq.errors import BrokerUnavailable
from asyncq.payload import Done, Settlement
from asyncq.testing.conformance.backend import eventually
from asyncq.testing.conformance.jobs import job, there
from tests.support.redis import RedisServer
from tests.support.redis.proxy import RedisProxy
from tests.unit.redis.changes import (
    LONG,
    PLANS,
    Plan,
    dump,
    force,
    hand_back,
    outcome_of,
    reserve_all,
    reserve_alone,
    reserve_beside_a_suspect,
    reserve_two,
    scene_of,
    settle_plain,
    settle_released,
    settle_with_all_effects,
    turn,
)

[FORCE] = [plan for plan in PLANS if plan.call is force]
SETTLING = {turn, settle_with_all_effects, settle_plain, settle_released, hand_back}
RESERVING = {reserve_two, reserve_all, reserve_alone, reserve_beside_a_suspect, turn}


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[RedisProxy]:
    async with RedisProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def combinations() -> Iterator[list[tuple[str, int, bool]]]:
    """Every cut that was tried: the call, the number of its command, whether the server ran it."""
    tried: list[tuple[str, int, bool]] = []
    yield tried


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
async def test_a_call_has_one_effect_and_its_first_answer_wherever_its_connection_breaks(
    plan: Plan, proxy: RedisProxy, server: RedisServer, combinations: list[tuple[str, int, bool]]
) -> None:
    async with scene_of(plan, proxy.url, server) as scene:
        before = len(proxy.commands)
        expected = await outcome_of(plan, scene, server)
        count = len(proxy.commands) - before
    assert count, "each script is unknown to the server at first, so its text is sent too"
    for number in range(1, count + 1):
        for executed in (False, True):
            async with scene_of(plan, proxy.url, server) as scene:
                fault = proxy.cut_after(number) if executed else proxy.cut_before(number)
                outcome = await outcome_of(plan, scene, server)
                assert fault.happened.is_set()
            when = f"cut {'after' if executed else 'before'} command {number} of {count}"
            assert outcome == expected, when
            combinations.append((plan.name, number, executed))


def test_every_combination_was_tried(
    combinations: list[tuple[str, int, bool]], record_property: Callable[[str, object], None]
) -> None:
    if {name for name, _, _ in combinations} != {plan.name for plan in PLANS}:
        pytest.skip("counts what the other tests of this file did in the same process")
    most = {name: max(number for one, number, _ in combinations if one == name) for name, _, _ in combinations}
    wanted = {
        (name, number, ran) for name, last in most.items() for number in range(1, last + 1) for ran in (False, True)
    }
    assert (set(combinations), len(combinations)) == (wanted, len(wanted))
    record_property("combinations", len(combinations))
    print(f"{len(combinations)} combinations of {len(most)} calls")  # noqa: T201 - shown with -s


@pytest.mark.parametrize(
    "plan", [plan for plan in PLANS if plan.call in {turn, reserve_two}], ids=lambda plan: plan.name
)
async def test_nor_does_it_matter_where_the_next_connections_break(
    plan: Plan, proxy: RedisProxy, server: RedisServer
) -> None:
    """The greeting of a new connection is cut too, and the call again on the one after that."""
    async with scene_of(plan, proxy.url, server) as scene:
        expected = await outcome_of(plan, scene, server)
    second, reached = 0, True
    while reached:
        second += 1
        async with scene_of(plan, proxy.url, server) as scene:
            first, then = proxy.cut_after(2), proxy.cut_after(2 + second)
            assert await outcome_of(plan, scene, server) == expected, f"then cut after command {second} of the next one"
            assert first.happened.is_set()
            reached = then.happened.is_set()
            proxy.disarm()
    assert second > 3, "a greeting, the call, and what the check asks"


async def test_a_lock_that_was_freed_by_force_and_taken_by_another_stays_taken(
    proxy: RedisProxy, server: RedisServer
) -> None:
    async with scene_of(FORCE, proxy.url, server) as scene:
        locks = there(scene.driver.stores.locks)
        lost = proxy.cut_after(2)
        proxy.cut_before(3, lambda command: not lost.happened.is_set() or _take_lock(server))
        await FORCE.call(scene)
        assert await locks.owner("lock") == "another"


def _take_lock(server: RedisServer) -> bool:
    server.command("SET", "t:{t}:lock:lock", "another")
    return False


# --- answers that are lost for good -----------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.call in SETTLING], ids=lambda plan: plan.name)
async def test_a_settlement_whose_answer_was_lost_for_good_is_answered_when_it_is_repeated(
    plan: Plan, proxy: RedisProxy, server: RedisServer
) -> None:
    """A worker repeats what it could not settle, under a new name: its own first try must not make it stale."""
    async with scene_of(plan, proxy.url, server) as scene:
        expected = _but_for_tokens(await outcome_of(plan, scene, server))
    for executed in (False, True):
        async with scene_of(plan, f"{proxy.url}?retry_for=0.000001", server) as scene:
            fault = proxy.cut_after(2) if executed else proxy.cut_before(2)
            with pytest.raises(BrokerUnavailable):
                await plan.call(scene)
            assert fault.happened.is_set()
            outcome = _but_for_tokens(await outcome_of(plan, scene, server))
            assert outcome == expected, f"executed: {executed}"


def _but_for_tokens(outcome: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    """What is given back wakes a worker, once too often for one that is here already."""
    answer, keys = outcome
    return answer, {key: held for key, held in keys.items() if not key.endswith(":notify")}


@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.call in RESERVING], ids=lambda plan: plan.name)
async def test_jobs_whose_reserve_was_lost_for_good_are_reserved_again_without_a_crash(
    plan: Plan, proxy: RedisProxy, server: RedisServer
) -> None:
    async with scene_of(plan, proxy.url, server) as scene:
        expected, _ = await outcome_of(plan, scene, server)
    async with scene_of(plan, f"{proxy.url}?retry_for=0.000001", server) as scene:
        proxy.cut_after(2)
        with pytest.raises(BrokerUnavailable):
            await plan.call(scene)
        with scene.driver.keeper() as keeper:
            assert await asyncio.to_thread(keeper.extend, []) == []
        assert (await outcome_of(plan, scene, server))[0] == expected


async def test_a_cancelled_reserve_costs_its_jobs_nothing_when_its_caller_goes_on(
    proxy: RedisProxy, server: RedisServer
) -> None:
    [plan] = [plan for plan in PLANS if plan.call is reserve_all]
    async with scene_of(plan, proxy.url, server) as scene:
        expected, _ = await outcome_of(plan, scene, server)
    async with scene_of(plan, proxy.url, server) as scene:
        proxy.delay = 0.05
        lost = asyncio.create_task(scene.driver.reserve(["default"], limit=10))
        await eventually(lambda: server.command("ZCARD", "t:q:{default}:lease") == 3)
        lost.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lost
        proxy.delay = 0.0
        assert (await outcome_of(plan, scene, server))[0] == expected


async def test_a_wake_up_that_is_lost_on_its_way_does_not_make_a_job_wait(
    proxy: RedisProxy, server: RedisServer
) -> None:
    async with scene_of(PLANS[0], proxy.url, server) as scene:
        lost = proxy.cut_after(1, lambda command: command[0] == b"BLPOP")
        waits = asyncio.create_task(scene.driver.wait(["default"], timeout=1000.0))
        await eventually(lambda: "cmd=blpop" in server.command("CLIENT", "LIST"))
        await asyncio.sleep(0.1)  # so long that the server must have heard it
        async with connect(Connection(scene.url.replace(proxy.url, server.url))) as other:
            await other.push([job("a")])
        with anyio.fail_after(4.5):  # one blocking call lasts 5 s
            await waits
        assert lost.happened.is_set()


@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize("number", [1, 2, 7, 13, 25])
async def test_calls_that_share_a_connection_have_one_effect_each_when_it_breaks(
    proxy: RedisProxy, server: RedisServer, number: int, executed: bool
) -> None:
    async with scene_of(PLANS[0], proxy.url, server) as scene:
        limits = there(scene.driver.stores.limits)
        await limits.state("warm", limit=1)
        fault = proxy.cut_after(number) if executed else proxy.cut_before(number)
        hits = await asyncio.gather(*(limits.hit("key", limit=100, per=LONG) for _ in range(30)))
        assert fault.happened.is_set()
        assert sorted(hit.remaining for hit in hits) == list(range(70, 100))


async def test_a_call_that_comes_after_it_was_cleared_up_does_nothing(server: RedisServer) -> None:
    """Its caller gave it up, and a slow way brings it to the server still."""
    [plan] = [plan for plan in PLANS if plan.call is settle_plain]
    keys = Keys("t")
    options = options_of(Connection(f"{server.url}?prefix=t").settings("main"))
    link = Link(wire_of(options), timeout=5.0, retry_for=3.0, where=options.where)
    bases = [keys.root, keys.base("default")]
    async with scene_of(plan, server.url, server) as scene:
        before = dump(server)
        end = settling(keys, keys.root, [Settlement(scene.held[0], Done())])
        take = reserving(keys, keys.root, ["default"], new_token(), [30_000_000, 5, 0])
        for late in (end, take):
            assert await link.run(call("recover", bases, [late.arguments[0], late.script.name])) == [0, []]
        assert await link.run(end) == []
        assert (await link.run(take))[3] == [[]], "no jobs for the one queue"
        assert _but_for_tokens(("", dump(server))) == _but_for_tokens(("", before))
    await link.close()
