"""Shells complete commands, options and connections."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.projects import Project, environment

PROGRAM = Path(sys.executable).parent
CONNECTIONS = "[tool.asyncq.connections]\nreports = 'memory://'\nresearch = 'memory://'\n"


def complete(project: Project, *words: str) -> list[str]:
    """Let bash complete the last word with the script that asyncq gives it."""
    script = (
        'source <(asyncq --show-completion)\nCOMP_WORDS=("$@")\nCOMP_CWORD=$(($# - 1))\n'
        '_asyncq_completion asyncq\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    variables = environment({"PATH": f"{PROGRAM}{os.pathsep}{os.environ['PATH']}"})
    command = ["bash", "-c", script, "bash", "asyncq", *words]
    done = subprocess.run(
        command, cwd=project.folder, env=variables, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("re",), ["retry", "restart", "resume"]),
        (("prune",), ["prune-failed"]),
        (("work", "--conc"), ["--concurrency"]),
        (("listen", "--st"), ["--stop-when-empty", "--stop-when-empty-for"]),
        (("migrate", "s"), ["status", "sql"]),
        (("jobs", "--state", "re"), ["ready", "reserved"]),
        (("work", "re"), ["reports", "research"]),
        (("table", "res"), ["research"]),
    ],
    ids=" ".join,
)
def test_bash_completes(project: Project, words: tuple[str, ...], offered: list[str]) -> None:
    project.write("pyproject.toml", CONNECTIONS)
    try:
        assert complete(project, *words) == offered
    finally:
        project.write("pyproject.toml", "")


def test_a_broken_configuration_offers_nothing_and_says_nothing(project: Project) -> None:
    project.write("pyproject.toml", "[tool.asyncq]\nnonsense = 1\n")
    try:
        assert complete(project, "work", "re") == []
    finally:
        project.write("pyproject.toml", "")


def test_the_help_has_the_whole_first_line_of_every_command(project: Project) -> None:
    listed = project.ok("--help", COLUMNS="80").out.partition("\nCommands:\n")[2].splitlines()
    assert len(listed) > 20
    assert not [line for line in listed if not re.fullmatch(r"  [\w-]+ +[A-Z].*\.", line) or line.endswith("...")]


def test_a_command_that_does_not_exist_is_code_2_and_the_nearest_is_named(project: Project) -> None:
    answer = project.run("montior")
    assert (answer.code, answer.out) == (2, "")
    assert "Did you mean 'monitor'" in answer.err
