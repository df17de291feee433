"""Every call, cancelled at every await: nothing is lost, nothing is doubled, and a repeat heals."""

from __future__ import annotations

import time
from functools import partial

import anyio
import anyio.to_thread
import pytest

from asyncq.contracts import Driver
from asyncq.testing.conformance.backend import Backend
from asyncq.testing.conformance.cancelling import MANNERS, Manner, natively, steps
from asyncq.testing.conformance.jobs import push, reserve
from asyncq.testing.conformance.scenarios import SCENARIOS, Scenario, Stage, nothing

ENDLESS_STEPS = 60


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_a_cancelled_call_happened_entirely_or_not_at_all(
    backend: Backend, scenario: Scenario, manner: Manner
) -> None:
    if missing := scenario.needs - backend.promises:
        pytest.skip(f"{backend.name} does not promise {', '.join(sorted(missing))}")
    stages, lease = await played(backend, scenario, manner)
    async with backend.fresh() as driver:
        for stage in stages:
            stage.driver = driver
            with anyio.fail_after(10):
                await scenario.check(stage)
        if scenario.late is not nothing:
            await backend.turn(lease + 0.01)
        for stage in stages:
            await scenario.late(stage)


async def played(backend: Backend, scenario: Scenario, manner: Manner) -> tuple[list[Stage], float]:
    """Play the scenario; again with longer leases where they might end before all is checked. Returns the lease too."""
    lease = backend.lease
    while True:
        began = time.monotonic()
        async with backend.open(lease=str(lease)) as driver:
            stages = await sweep(Stage(backend, driver, f"{lease:g}-"), scenario, manner)
        if backend.traits.virtual_time or time.monotonic() - began < lease / 3:
            return stages, lease
        lease *= 2


async def sweep(where: Stage, scenario: Scenario, manner: Manner) -> list[Stage]:
    """Play the scenario with more steps each time, until the call ends before it is cancelled.

    Where a thread works for so long that it never does, many cancellations have hit that wait, and that is all of it.
    """
    stages: list[Stage] = []
    for step in steps():
        stage = Stage(where.backend, where.driver, f"{where.tag}step{step:03}")
        stages.append(stage)
        await scenario.prepare(stage)
        ended = await manner(partial(scenario.call, stage), step)
        if ended or (scenario.endless and step > ENDLESS_STEPS):
            return stages
    return stages


@pytest.mark.parametrize("manner", MANNERS.values(), ids=MANNERS)
async def test_a_driver_works_on_after_a_cancelled_call(backend: Backend, driver: Driver, manner: Manner) -> None:
    """What a cancelled call leaves on a connection must not reach the next caller."""
    for step in range(8):
        queue = f"step{step}"
        await push(driver, f"{queue}-a", queue=queue)
        await manner(partial(driver.reserve, [queue, "never"], limit=5), step)
        await manner(partial(driver.sizes, [queue]), step)
        assert (await driver.sizes(["other"]))["other"].total == 0
        await push(driver, f"{queue}-b", queue=queue)
        assert f"{queue}-b" in [held.id for held in await reserve(driver, queue)]


async def test_a_reservation_that_nobody_got_is_not_kept_for_ever(backend: Backend, driver: Driver) -> None:
    """A keeper keeps what was not answered yet; a call that was cancelled will never be answered."""
    unanswered: list[str] = []
    for step in range(12):
        queue = f"step{step:02}"
        await push(driver, f"{queue}-a", queue=queue)
        if not await natively(partial(driver.reserve, [queue], limit=5), step):
            unanswered.append(queue)
    for _ in range(4):
        await backend.turn(driver.lease / 3)
        await anyio.to_thread.run_sync(_keep, driver)
    async with backend.fresh() as other:
        assert [held.queue for held in await reserve(other, *unanswered)] == unanswered


def _keep(driver: Driver) -> None:
    with driver.keeper() as keeper:
        keeper.extend([])
