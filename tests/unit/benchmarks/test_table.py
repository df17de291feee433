"""Results as Markdown."""

from __future__ import annotations

import pytest

from benchmarks.harness.results import Figure, Target
from benchmarks.harness.table import Column, failures, grid, listing, number, ratios
from tests.unit.benchmarks.outcomes import failed, measured, results

COLUMNS = [Column("no-op jobs/s", "work", ("rate",)), Column("both", "work", ("rate", "bulk"))]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(45_234.0, "45,200"), (1_000.0, "1,000"), (999.4, "999"), (123.4, "123"), (3.276, "3.28"), (0.3149, "0.31")],
)
def test_a_number_has_no_more_digits_than_it_is_worth(value: float, shown: str) -> None:
    assert number(value) == shown


def test_a_grid_has_a_row_for_each_contender_and_says_what_is_not_there() -> None:
    rounds = results([measured("ours", 1234.0), measured("theirs", 2.0, "sleep"), failed("broken", "why")])
    assert list(grid(rounds, COLUMNS)) == [
        "| | no-op jobs/s | both |",
        "|---|--:|--:|",
        "| ours | 1,230 | 1,230 / - |",
        "| theirs | - | - |",
        "| broken | failed | failed |",
    ]


def test_a_grid_leaves_out_workloads_that_did_not_run() -> None:
    rounds = results([measured("ours", 1234.0)])
    assert next(grid(rounds, [*COLUMNS[:1], Column("idle", "idle", ("rate",))])) == "| | no-op jobs/s |"


def test_a_listing_puts_all_figures_of_a_case_in_one_cell() -> None:
    rounds = results([measured("ours", 20.0, workload=""), failed("broken", "why", workload="")])
    assert list(listing(rounds, {"rate": "jobs/s"}))[2:] == ["| ours | 20 jobs/s |", "| broken | failed |"]


def test_a_target_says_whether_it_is_met() -> None:
    ours, theirs, none = (Figure(name, "work", "rate") for name in ("ours", "theirs", "nobody"))
    rounds = results([measured("ours", 3.0), measured("theirs", 2.0)], [measured("ours", 5.0), measured("theirs", 2.0)])
    targets = [
        Target("floor", ours, theirs, at_least=1.5),
        Target("ceiling", ours, at_most=3),
        Target("free", ours),
        Target("absent", none, at_least=30_000),
    ]
    assert list(ratios(rounds.judge(target) for target in targets))[2:] == [
        "| floor | 2 | 1.5 to 2.5 | ≥ 1.5 | met |",
        "| ceiling | 4 | 3 to 5 | ≤ 3 | **missed** |",
        "| free | 4 | 3 to 5 |  |  |",
        "| absent | - | - | ≥ 30,000 | not measured |",
    ]


def test_each_failure_is_told_with_its_reason() -> None:
    rounds = results([measured("ours", 1.0), failed("theirs", "no wheel for `x`"), failed("alone", "why", workload="")])
    assert list(failures(rounds)) == ["- theirs, work failed: `no wheel for 'x'`", "- alone failed: `why`"]
