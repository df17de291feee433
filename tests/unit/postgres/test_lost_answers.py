"""A call whose connection breaks, at any of its commands, before or after the server ran it: one effect, one answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest

from asyncq.config import Connection
from asyncq.drivers import connect
from asyncq.drivers.postgres.leasing import new_token
from asyncq.drivers.postgres.link import Link, Told
from asyncq.drivers.postgres.options import options_of
from asyncq.drivers.postgres.schema import Sql
from asyncq.drivers.postgres.wire import ends
from asyncq.errors import BrokerUnavailable
from asyncq.payload import Done, Reservation, Settlement
from asyncq.testing.conformance.backend import eventually
from asyncq.testing.conformance.jobs import job, there
from tests.support.changes import (
    LONG,
    PLANS,
    Plan,
    Scene,
    Step,
    add_failed,
    force,
    hand_back,
    push_three,
    put_rows,
    reserve_all,
    reserve_alone,
    reserve_beside_a_suspect,
    reserve_two,
    settle_plain,
    settle_released,
    settle_with_all_effects,
    turn,
)
from tests.support.postgres import PostgresProxy, PostgresServer
from tests.support.postgres.proxy import running
from tests.support.proxy import Command, Fault
from tests.unit.postgres.scenes import SCHEMA, dump, outcome_of, scene_of, with_tables

SETTLING = {turn, settle_with_all_effects, settle_plain, settle_released, hand_back}
RESERVING = {reserve_two, reserve_all, reserve_alone, reserve_beside_a_suspect, turn}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with with_tables() as server:
        yield server


@pytest.fixture
async def proxy(server: PostgresServer) -> AsyncIterator[PostgresProxy]:
    async with PostgresProxy("127.0.0.1", server.port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def combinations() -> Iterator[list[tuple[str, int, bool]]]:
    """Every cut that was tried: the call, the number of its command, whether the server ran it."""
    tried: list[tuple[str, int, bool]] = []
    yield tried


@pytest.mark.timeout(300)
@pytest.mark.parametrize("executed", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.name)
async def test_a_call_has_one_effect_and_its_first_answer_wherever_its_connection_breaks(
    plan: Plan, executed: bool, proxy: PostgresProxy, server: PostgresServer, combinations: list[tuple[str, int, bool]]
) -> None:
    async with scene_of(plan, proxy.url, server) as scene:
        expected = await outcome_of(plan, scene, server)
    number, reached = 0, True
    while reached:
        number += 1
        async with scene_of(plan, proxy.url, server) as scene:
            fault = proxy.cut_after(number) if executed else proxy.cut_before(number)
            outcome = await outcome_of(plan, scene, server)
        assert outcome == expected, f"cut {'after' if executed else 'before'} command {number}"
        reached = fault.happened.is_set()
        proxy.disarm()
        if reached:
            combinations.append((plan.name, number, executed))
    assert number > 2, "it is prepared, and it is run"


def test_every_combination_was_tried(
    combinations: list[tuple[str, int, bool]], record_property: Callable[[str, object], None]
) -> None:
    if {(name, ran) for name, _, ran in combinations} != {(plan.name, ran) for plan in PLANS for ran in (False, True)}:
        pytest.skip("counts what the other tests of this file did in the same process")
    record_property("combinations", len(combinations))
    print(f"{len(combinations)} combinations of {len(PLANS)} calls")  # noqa: T201 - shown with -s


@pytest.mark.parametrize(
    "plan", [plan for plan in PLANS if plan.call in {turn, reserve_two, push_three}], ids=lambda plan: plan.name
)
async def test_nor_does_it_matter_where_the_next_connections_break(
    plan: Plan, proxy: PostgresProxy, server: PostgresServer
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
    assert second > 3, "a greeting, the call, and what is asked about it"


@pytest.mark.parametrize(
    ("call", "meanwhile", "left"),
    [
        (force, "INSERT INTO t.locks VALUES ('lock', 'another')", "SELECT owner FROM t.locks"),
        (put_rows, "DELETE FROM t.outbox", "SELECT 'nothing' WHERE NOT EXISTS (SELECT FROM t.outbox)"),
        (add_failed, "DELETE FROM t.failed", "SELECT 'nothing' WHERE NOT EXISTS (SELECT FROM t.failed)"),
    ],
)
async def test_what_others_did_between_a_call_and_its_repeat_stays(
    call: Step, meanwhile: str, left: str, proxy: PostgresProxy, server: PostgresServer
) -> None:
    [plan] = [plan for plan in PLANS if plan.call is call]
    async with scene_of(plan, proxy.url, server) as scene:
        lost = proxy.cut_after(1, running("json_agg(answer)"))
        others = Others(server, lost, meanwhile)
        proxy.cut_before(1, others)
        await plan.call(scene)
        assert others.done
        assert server.command(left) in ([("another",)], [("nothing",)])


@dataclass
class Others:
    """Changes something as soon as a fault has happened, and cuts nothing."""

    server: PostgresServer
    after: Fault
    change: str
    done: bool = False

    def __call__(self, command: Command) -> bool:
        if self.after.happened.is_set() and not self.done:
            self.done = True
            self.server.command(self.change)
        return False


# --- answers that are lost for good -----------------------------------------------------------------------------------

HASTY = "?retry_for=0.000001"


@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.call in SETTLING], ids=lambda plan: plan.name)
async def test_a_settlement_whose_answer_was_lost_for_good_is_answered_when_it_is_repeated(
    plan: Plan, proxy: PostgresProxy, server: PostgresServer
) -> None:
    """A worker repeats what it could not settle, under a new name: its own first try must not make it stale."""
    async with scene_of(plan, proxy.url, server) as scene:
        expected = await outcome_of(plan, scene, server)
    for executed in (False, True):
        async with scene_of(plan, f"{proxy.url}{HASTY}", server) as scene:
            fault = (proxy.cut_after if executed else proxy.cut_before)(1, running(".turn("))
            with pytest.raises(BrokerUnavailable):
                await plan.call(scene)
            assert fault.happened.is_set()
            assert await outcome_of(plan, scene, server) == expected, f"executed: {executed}"


@pytest.mark.parametrize("plan", [plan for plan in PLANS if plan.call in RESERVING], ids=lambda plan: plan.name)
async def test_jobs_whose_reserve_was_lost_for_good_are_reserved_again_without_a_crash(
    plan: Plan, proxy: PostgresProxy, server: PostgresServer
) -> None:
    async with scene_of(plan, proxy.url, server) as scene:
        expected, _ = await outcome_of(plan, scene, server)
    async with scene_of(plan, f"{proxy.url}{HASTY}", server) as scene:
        fault = proxy.cut_after(1, running(".turn("))
        with pytest.raises(BrokerUnavailable):
            await plan.call(scene)
        assert fault.happened.is_set()
        assert await asyncio.to_thread(_keep_nothing, scene) == []
        assert (await outcome_of(plan, scene, server))[0] == expected


def _keep_nothing(scene: Scene) -> Sequence[Reservation]:
    with scene.driver.keeper() as keeper:
        return keeper.extend([])


async def test_a_cancelled_reserve_costs_its_jobs_nothing_when_its_caller_goes_on(
    proxy: PostgresProxy, server: PostgresServer
) -> None:
    [plan] = [plan for plan in PLANS if plan.call is reserve_all]
    async with scene_of(plan, proxy.url, server) as scene:
        expected, _ = await outcome_of(plan, scene, server)
    async with scene_of(plan, proxy.url, server) as scene:
        proxy.delay = 0.05
        lost = asyncio.create_task(scene.driver.reserve(["default"], limit=10))
        held = "SELECT count(*) FROM t.jobs WHERE token IS NOT NULL"
        await eventually(lambda: server.command(held) == [(3,)])
        lost.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lost
        proxy.delay = 0.0
        assert (await outcome_of(plan, scene, server))[0] == expected


async def test_a_notification_that_is_lost_on_its_way_does_not_make_a_job_wait(
    proxy: PostgresProxy, server: PostgresServer
) -> None:
    """The connection that listens breaks: who waits looks at once, and listens again."""
    async with scene_of(PLANS[0], proxy.url, server) as scene:
        waits = asyncio.create_task(scene.driver.wait(["default"], timeout=LONG))
        listens = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND state = 'idle'"
        await eventually(lambda: server.command(listens) == [(1,)])
        proxy.cut()
        async with connect(Connection(f"{server.url}?prefix={SCHEMA}")) as other:
            await other.push([job("a")])
        async with asyncio.timeout(10):
            await waits


@pytest.mark.parametrize("executed", [False, True])
@pytest.mark.parametrize("number", [1, 2, 7, 13, 25])
async def test_calls_at_once_have_one_effect_each_when_connections_break(
    proxy: PostgresProxy, server: PostgresServer, number: int, executed: bool
) -> None:
    async with scene_of(PLANS[0], proxy.url, server, pool=10) as scene:
        limits = there(scene.driver.stores.limits)
        faults = [(proxy.cut_after if executed else proxy.cut_before)(number + 9 * more) for more in range(3)]
        hits = await asyncio.gather(*(limits.hit("key", limit=100, per=LONG) for _ in range(30)))
        assert all(fault.happened.is_set() for fault in faults)
        assert sorted(hit.remaining for hit in hits) == list(range(70, 100))


async def test_a_call_that_comes_after_it_was_cleared_up_does_nothing(server: PostgresServer) -> None:
    """Its caller gave it up, and a slow way brings it to the server still."""
    [plan] = [plan for plan in PLANS if plan.call is settle_plain]
    async with scene_of(plan, server.url, server) as scene:
        options = options_of(Connection(f"{server.url}?prefix={SCHEMA}").settings("main"))
        link = Link(options, Sql(SCHEMA))
        link.open()
        before, op = dump(server), new_token()
        assert tuple((await link.run("recover", op, ["default"]))[0]) == (False, None)
        _, values = ends([Settlement(scene.held[0], Done())])
        with pytest.raises(Told) as told:
            await link.call("turn", op, *values, ["default"], None, 0, 5, 30_000_000, False)
        assert told.value.answer is None
        assert dump(server) == before
        await link.close()
