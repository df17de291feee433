"""All contenders in each round, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import case as module
from benchmarks.harness import rounds
from benchmarks.harness.case import Case
from benchmarks.harness.group import Bench


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that every case can run."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    (tmp_path / "good.py").write_text("print('{}')")


def test_rounds_take_turns_and_a_long_case_has_one() -> None:
    cases = [Case("a", "work", "good", ()), Case("b", "work", "good", ()), Case("a", "long", "good", (), once=True)]
    results = rounds.run(Bench(cases), 2)
    ran = [[(outcome.contender, outcome.workload) for outcome in outcomes] for outcomes in results.rounds]
    assert ran == [[("a", "work"), ("b", "work"), ("a", "long")], [("a", "work"), ("b", "work")]]


def test_the_database_is_emptied_before_each_case() -> None:
    emptied: list[int] = []
    cases = [Case("a", "work", "good", ()), Case("b", "work", "good", ())]
    rounds.run(Bench(cases, before_each=lambda: emptied.append(1)), 2)
    assert len(emptied) == 4
