"""Medians and ratios over the rounds."""

from __future__ import annotations

import pytest

from benchmarks.harness.results import Figure, Spread, Target
from tests.unit.benchmarks.outcomes import failed, measured, results

OURS, THEIRS = Figure("ours", "work", "rate"), Figure("theirs", "work", "rate")
RATIO = Target("ours : theirs", OURS, THEIRS, at_least=2)


def test_a_figure_is_the_median_of_the_rounds_with_its_range() -> None:
    rounds = results(*([measured("ours", rate)] for rate in (30.0, 10.0, 100.0)))
    assert rounds.spread(OURS) == Spread(30.0, 10.0, 100.0)


def test_a_figure_that_no_round_has_is_none() -> None:
    assert results([measured("ours", 1.0)]).spread(THEIRS) is None


def test_a_ratio_is_taken_round_by_round() -> None:
    slow, quick = [measured("ours", 20.0), measured("theirs", 10.0)], [measured("ours", 90.0), measured("theirs", 30.0)]
    judged = results(slow, quick).judge(RATIO)
    assert judged.spread == Spread(2.5, 2.0, 3.0)
    assert judged.met


def test_a_round_in_which_a_case_failed_gives_no_ratio() -> None:
    broken = [measured("ours", 20.0), failed("theirs", "broken")]
    judged = results(broken, [measured("ours", 10.0), measured("theirs", 10.0)]).judge(RATIO)
    assert judged.spread == Spread(1.0, 1.0, 1.0)
    assert judged.met is False


def test_a_target_of_a_case_that_always_failed_is_neither_met_nor_missed() -> None:
    judged = results([measured("ours", 20.0), failed("theirs", "broken")]).judge(RATIO)
    assert (judged.spread, judged.met) == (None, None)


@pytest.mark.parametrize(
    ("at_least", "at_most", "value", "met"),
    [(2, None, 2, True), (2, None, 1.9, False), (None, 5, 5, True), (None, 5, 5.1, False), (None, None, 1, None)],
)
def test_a_target_has_a_floor_or_a_ceiling_or_none(
    at_least: float | None, at_most: float | None, value: float, met: bool | None
) -> None:
    assert Target("", OURS, at_least=at_least, at_most=at_most).met(value) is met


def test_a_failure_of_one_round_is_remembered() -> None:
    rounds = results([measured("ours", 1.0)], [failed("ours", "a job was lost")])
    assert rounds.failure("ours", "work") == "a job was lost"
    assert rounds.failure("theirs", "work") == ""


def test_contenders_keep_the_order_in_which_they_ran() -> None:
    assert results([measured("b", 1.0), measured("a", 1.0)], [measured("c", 1.0)]).contenders == ["b", "a", "c"]


def test_the_speed_of_the_machine_is_that_before_all_cases() -> None:
    rounds = results([measured("a", 1.0, speed=8.0), measured("b", 1.0, speed=12.0)], [measured("a", 1.0, speed=10.0)])
    assert rounds.speed == Spread(10.0, 8.0, 12.0)
