"""The example `hello`, as its head says to run it."""

from __future__ import annotations

from pathlib import Path

from tests.examples.projects import copy_example


def test_what_is_dispatched_is_worked_off(tmp_path: Path) -> None:
    project = copy_example("hello", tmp_path / "a project")
    said = project.run("jobs.py", "Ada", "Bob").splitlines()
    assert [line.split()[0] for line in said] == ["dispatched", "dispatched"]
    greeted = project.run("-m", "asyncq", "work", "--stop-when-empty")
    assert sorted(greeted.splitlines()) == ["Hello, Ada!", "Hello, Bob!"]
    assert project.run("-m", "asyncq", "work", "--stop-when-empty") == ""
