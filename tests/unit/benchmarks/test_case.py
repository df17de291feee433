"""A case is a process; one that fails does not end the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness import case as module
from benchmarks.harness.case import Case


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the cases of a test look for their modules."""
    monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def test_the_last_line_that_it_prints_are_its_figures(folder: Path) -> None:
    (folder / "good.py").write_text("import sys; print('hello'); print('{\"rate\": ' + sys.argv[1] + '}')")
    outcome = Case("ours", "work", "good", ("7",)).run()
    assert (outcome.contender, outcome.workload, outcome.figures) == ("ours", "work", {"rate": 7})
    assert outcome.failure == ""
    assert outcome.speed > 0


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise SystemExit('of 10 jobs 1 did not run')", "of 10 jobs 1 did not run"),
        ("raise ValueError('why')", "ValueError: why"),
        ("raise ExceptionGroup('several', [ValueError('why')])", "ValueError: why"),
        ("raise SystemExit(3)", "Command"),
        ("", "list index out of range"),
        ("print('no figures')", "Expecting value"),
    ],
)
def test_a_case_that_fails_says_why(folder: Path, source: str, reason: str) -> None:
    (folder / "bad.py").write_text(source)
    outcome = Case("ours", "work", "bad", ()).run()
    assert outcome.figures == {}
    assert outcome.failure.startswith(reason)
