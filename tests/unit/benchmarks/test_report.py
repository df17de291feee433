"""One group's part of the page, while the others keep theirs."""

from __future__ import annotations

from contextlib import nullcontext

from benchmarks.harness.case import Case
from benchmarks.harness.group import Bench, Group
from benchmarks.harness.report import replaced, section
from tests.unit.benchmarks.outcomes import measured, results

PAGE = "# Results\n\nHead.\n\n## First\n\nold\n\n## Second\n\nkept\n"


def test_a_part_is_replaced_and_the_others_stay() -> None:
    assert replaced(PAGE, "First", "new\n") == "# Results\n\nHead.\n\n## First\n\nnew\n\n## Second\n\nkept\n"


def test_a_new_part_comes_last() -> None:
    assert replaced(PAGE, "Third", "new") == PAGE + "\n## Third\n\nnew\n"


def test_a_page_without_parts_gets_its_first() -> None:
    assert replaced("# Results\n", "First", "new") == "# Results\n\n## First\n\nnew\n"


def test_the_same_part_twice_changes_nothing() -> None:
    assert replaced(PAGE, "Second", "kept") == PAGE


def test_a_section_names_the_versions_of_every_environment() -> None:
    cases = [Case("ours", "work", "m", ()), *(Case(name, "work", "m", (), ("a==1", "b==2")) for name in "xy")]
    group = Group("g", "G", 1, lambda jobs: nullcontext(Bench(cases)), lambda results: iter(["table"]), (), ("caveat",))
    text = section(group, Bench(cases, "Server 7"), results([measured("ours", 1.0)]), 10)
    assert "Server 7; a 1 (b 2)." in text
    assert text.startswith("`python -m benchmarks g --jobs 10 --rounds 1`")
    assert "\n\ncaveat\n\n" in text
