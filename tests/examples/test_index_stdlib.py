"""The example `index_stdlib`, end to end: real files, a real queue, two real worker processes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.examples.projects import Project, copy_example

MODULES = 60
GOOD = "import os\nfrom sys import path\n\n\nasync def a():\n    def b(): ...\n"
BROKEN = {
    "syntax.py": (b"def (:\n", "SyntaxError"),
    "coding.py": (b"# coding: uft-8\n", "SyntaxError: unknown encoding"),
    "latin.py": ("name = 'ä'\n".encode("latin-1"), "SyntaxError: (unicode error)"),
    "python2.py": (b"print 'hello'\n", "SyntaxError: Missing parentheses"),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return copy_example("index_stdlib", tmp_path / "a project")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A folder with good and broken modules, and with others that are not of it."""
    folder = tmp_path / "a library"
    for number in range(MODULES):
        path = folder / f"package{number % 3}" / f"good{number}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GOOD)
    for name, (source, _) in BROKEN.items():
        (folder / name).write_bytes(source)
    (folder / "site-packages").mkdir()
    (folder / "site-packages" / "other.py").write_text(GOOD)
    (folder / "folder.py").mkdir()
    (folder / "notes.txt").write_text("no Python")
    return folder


def rows(project: Project) -> list[tuple[str, int, int, int, int]]:
    with closing(sqlite3.connect(project.path / "index.db")) as index:
        return index.execute("select path, lines, functions, imports, attempts from files order by path").fetchall()


def test_every_file_is_counted_or_kept_with_its_reason(project: Project, library: Path) -> None:
    assert project.run("index.py", str(library)).startswith(f"{MODULES + len(BROKEN)} jobs dispatched")
    with project.workers():
        project.wait_until_empty()
    found = rows(project)
    assert [Path(path) for path, *_ in found] == sorted(library.rglob("good*.py"))
    assert {(lines, functions, imports, attempts) for _, lines, functions, imports, attempts in found} == {(6, 2, 2, 1)}
    failed = project.asyncq("failed")
    assert len(failed) == len(BROKEN)
    assert {job["attempts"] for job in failed} == {3}
    for _, reason in BROKEN.values():
        assert any(job["error"].startswith(reason) for job in failed)
    assert project.run("index.py", "--summary").startswith(f"{MODULES} files, {6 * MODULES} lines, ")


def test_a_file_that_is_indexed_twice_counts_once(project: Project, library: Path) -> None:
    folder = str(library / "package0")
    for _ in range(2):
        project.run("index.py", folder)
        with project.workers():
            project.wait_until_empty()
    assert len(rows(project)) == MODULES / 3


def test_a_file_that_waits_is_not_dispatched_again(project: Project, library: Path) -> None:
    folder = str(library / "package0")
    project.run("index.py", folder)
    assert project.run("index.py", folder) == f"0 jobs dispatched, {MODULES // 3} were waiting already\n"
    assert [row["total"] for row in project.asyncq("size")] == [MODULES / 3]


def test_a_mended_file_succeeds_when_its_job_is_retried(project: Project, library: Path) -> None:
    project.run("index.py", str(library))
    with project.workers():
        project.wait_until_empty()
        [broken] = [job for job in project.asyncq("failed") if "(python2.py" in job["error"]]
        (library / "python2.py").write_text("print('hello')\n")
        project.run("-m", "asyncq", "retry", broken["id"])
        project.wait_until_empty()
    assert str(library / "python2.py") in [path for path, *_ in rows(project)]
    assert broken["id"] not in [job["id"] for job in project.asyncq("failed")]
