"""Commands that forget failed jobs: forget, flush, prune-failed; and the choice of jobs by their name."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.projects import Project


def fail(project: Project, *names: str) -> list[str]:
    """Let jobs fail, and return their ids."""
    ids = project.push(*names, to="nobody")
    project.work("--queue", "default,mail", "--timeout", "0.01")
    return ids


def age(project: Project, id: str, hours: float) -> None:
    """Let a job have failed earlier."""
    with closing(sqlite3.connect(project.folder / ".asyncq" / "queue.db")) as file, file:
        file.execute("update asyncq_failed set failed_at = failed_at - ? where id = ?", (round(hours * 3.6e9), id))


# --- forget -----------------------------------------------------------------------------------------------------------


def test_forget_takes_ids_and_writes_those_that_it_forgot(project: Project) -> None:
    first, second, third = fail(project, "Bad", "Bad", "Bad")
    answer = project.ok("forget", first, third, third)
    assert answer.out.split() == [first, third]
    assert answer.err.splitlines()[0] == f"{first}: jobs:Bad was forgotten"
    assert [job.id for job in project.failed()] == [second]


def test_forget_of_an_unknown_id_is_code_1_and_does_the_others(project: Project) -> None:
    (id,) = fail(project, "Bad")
    assert project.json("forget", "nobody", id, code=1) == [
        {"id": "nobody", "status": "unknown", "job": None, "queue": None},
        {"id": id, "status": "forgotten", "job": "jobs:Bad", "queue": "default"},
    ]
    told = project.run("forget", "nobody")
    assert (told.code, told.out) == (1, "")
    assert told.err == "nobody: no failed job has this id; `asyncq failed` lists them\n"
    assert not project.failed()


def test_forget_leaves_a_waiting_job_alone(project: Project) -> None:
    (id,) = project.push("Count")
    assert project.run("forget", id).code == 1
    assert project.size().total == 1


# --- flush ------------------------------------------------------------------------------------------------------------


def test_flush_forgets_all_failed_jobs_and_no_other(project: Project) -> None:
    fail(project, "Bad", "Bad")
    project.push("Count")
    answer = project.ok("flush", "--force")
    assert (answer.out, answer.err) == ("", "2 failed jobs were forgotten\n")
    assert not project.failed()
    assert project.size().total == 1


def test_flush_may_be_for_the_old_ones(project: Project) -> None:
    old, new = fail(project, "Bad", "Bad")
    age(project, old, 3)
    assert project.json("flush", "--hours", "2.5", "--force") == {"forgotten": 1}
    assert [job.id for job in project.failed()] == [new]


@pytest.mark.parametrize(("typed", "code", "left"), [("yes\n", 0, 0), ("\n", 1, 1)])
def test_flush_asks_on_a_terminal(project: Project, typed: str, code: int, left: int) -> None:
    fail(project, "Bad")
    answer = project.at_terminal("flush", typed=typed)
    assert answer.code == code
    assert "Forget all of 1 failed job? [y/N]" in answer.out
    assert len(project.failed()) == left


def test_flush_without_a_terminal_wants_force(project: Project) -> None:
    fail(project, "Bad")
    answer = project.run("flush", "--hours", "1")
    assert (answer.code, answer.out) == (2, "")
    assert "add --force if it is meant" in answer.err
    assert len(project.failed()) == 1


# --- prune-failed -----------------------------------------------------------------------------------------------------


def test_prune_failed_keeps_a_day_and_asks_nobody(project: Project) -> None:
    old, new = fail(project, "Bad", "Bad")
    age(project, old, 25)
    answer = project.ok("prune-failed")
    assert (answer.out, answer.err) == ("", "1 failed job was forgotten\n")
    assert [job.id for job in project.failed()] == [new]
    assert project.json("prune-failed", "--hours", "0") == {"forgotten": 1}


@pytest.mark.parametrize(
    "arguments",
    [("forget",), ("flush", "--hours", "-1"), ("prune-failed", "--hours", "inf"), ("prune-failed", "--hours", "day")],
    ids=" ".join,
)
def test_what_cannot_be_forgotten_is_code_2(project: Project, arguments: tuple[str, ...]) -> None:
    answer = project.run(*arguments)
    assert (answer.code, answer.out) == (2, "")


# --- by name ----------------------------------------------------------------------------------------------------------


def test_failed_jobs_can_be_listed_by_name_or_its_last_part(project: Project) -> None:
    bad, nap = fail(project, "Bad", "Nap")
    assert [row["id"] for row in project.json("failed", "--name", "Bad")] == [bad]
    assert [row["id"] for row in project.json("failed", "--name", "jobs:Nap")] == [nap]
    assert project.ok("failed", "--name", "Gone").err == "no failed jobs\n"


def test_failed_jobs_can_be_retried_by_name(project: Project) -> None:
    bad, nap = fail(project, "Bad", "Nap")
    assert project.ok("retry", "--name", "Nap").out.split() == [nap]
    assert [job.id for job in project.failed()] == [bad]
    assert project.run("retry", bad, "--name", "Bad").code == 2
    assert project.ok("retry", "all", "--name", "Bad", "--queue", "default").out.split() == [bad]


def test_a_last_part_that_several_jobs_have_is_refused(project: Project) -> None:
    project.write("tasks.py", "import asyncq\n\n\nclass Bad(asyncq.Job):\n    def handle(self) -> None: ...\n")
    try:
        answer = project.run("retry", "--name", "Bad")
    finally:
        (project.folder / "tasks.py").unlink()
    assert answer.code == 2
    assert "2 jobs are called 'Bad': jobs:Bad, tasks:Bad; name one in full" in answer.err
