"""A call whose connection breaks, at any of its commands, before or after the server ran it: one effect, one answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from tests.contract.jobs import there
from tests.support.proxy import FaultProxy
from tests.support.redis import RedisServer
from tests.unit.redis.changes import PLANS, Plan, force, outcome_of, reserve_two, scene_of, turn

[FORCE] = [plan for plan in PLANS if plan.call is force]


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def combinations() -> Iterator[list[tuple[str, int, bool]]]:
    """Every cut that was tried: the call, the number of its command, whether the server ran it."""
    tried: list[tuple[str, int, bool]] = []
    yield tried


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
async def test_a_call_has_one_effect_and_its_first_answer_wherever_its_connection_breaks(
    plan: Plan, proxy: FaultProxy, server: RedisServer, combinations: list[tuple[str, int, bool]]
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
    plan: Plan, proxy: FaultProxy, server: RedisServer
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
    proxy: FaultProxy, server: RedisServer
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
