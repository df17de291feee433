"""The example `cli_tool`: a program without an event loop, and workers in processes of their own."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.projects import Project, copy_example, environment
from tests.support.waiting import until


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = copy_example("cli_tool", tmp_path / "a project")
    for name in "abc":
        (made.path / name).write_text(name * 1_000)
    return made


def line(name: str) -> str:
    return f"{hashlib.sha256(name.encode() * 1_000).hexdigest()}  {name}"


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "checksum.py", *arguments]
    return subprocess.run(command, cwd=project.path, env=environment(), capture_output=True, text=True, check=False)


def test_it_prints_what_the_workers_return_in_the_order_that_was_asked(project: Project) -> None:
    with project.workers():
        done = run(project, "c", "a", "b")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [line("c"), line("a"), line("b")]


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_there(project: Project) -> None:
    with project.workers():
        done = run(project, "a", "missing", "b")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [line("a"), line("b")]
    assert done.stderr.startswith("missing: job ")
    assert "FileNotFoundError" in done.stderr


def test_without_a_worker_it_says_what_is_missing_and_takes_its_jobs_back(project: Project) -> None:
    done = run(project, "a", "b", "--timeout", "0.2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "nothing came within 0.2 s; is a worker running? start one: asyncq work\n"
    assert project.asyncq("jobs") == []


def test_ctrl_c_takes_its_jobs_back(project: Project) -> None:
    command = [sys.executable, "checksum.py", "a", "b"]
    with subprocess.Popen(command, cwd=project.path, env=environment(), stderr=subprocess.PIPE, text=True) as process:
        until(lambda: (project.path / ".asyncq").exists() and len(project.asyncq("jobs")) == 2, 20, "the dispatch")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "")
    assert project.asyncq("jobs") == []
