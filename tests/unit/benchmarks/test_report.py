"""One group's part of the page, while the others keep theirs."""

from __future__ import annotations

from benchmarks.harness.report import replaced

PAGE = "# Results\n\nHead.\n\n## First\n\nold\n\n## Second\n\nkept\n"


def test_a_part_is_replaced_and_the_others_stay() -> None:
    assert replaced(PAGE, "First", "new\n") == "# Results\n\nHead.\n\n## First\n\nnew\n\n## Second\n\nkept\n"


def test_a_new_part_comes_last() -> None:
    assert replaced(PAGE, "Third", "new") == PAGE + "\n## Third\n\nnew\n"


def test_a_page_without_parts_gets_its_first() -> None:
    assert replaced("# Results\n", "First", "new") == "# Results\n\n## First\n\nnew\n"


def test_the_same_part_twice_changes_nothing() -> None:
    assert replaced(PAGE, "Second", "kept") == PAGE
