"""Figures count only where each job ran exactly once."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.rivals.tally import Tally


async def test_it_is_reached_when_the_last_job_has_run() -> None:
    tally = Tally()
    tally.expect(3)
    for number in (2, 0, 1):
        tally.noop(number)
    await tally.reached()
    tally.verify(3)
    assert tally.seconds >= 0


@pytest.mark.parametrize(
    ("ran", "said"),
    [
        ([0, 1], "of 3 jobs 1 did not run, 0 ran once too often"),
        ([0, 1, 2, 2], "of 3 jobs 0 did not run, 1 ran once too often"),
        ([0, 0, 2], "of 3 jobs 1 did not run, 1 ran once too often"),
    ],
)
async def test_a_job_that_was_lost_or_ran_twice_is_refused(ran: list[int], said: str) -> None:
    tally = Tally()
    for number in ran:
        tally.noop(number)
    with pytest.raises(SystemExit, match=said):
        tally.verify(3)


async def test_jobs_of_several_threads_are_counted() -> None:
    tally = Tally()
    tally.expect(20)
    await asyncio.gather(*(asyncio.to_thread(tally.nap_in_thread, number) for number in range(20)))
    await tally.reached()
    tally.verify(20)
