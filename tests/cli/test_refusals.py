"""What is refused: the exit code says whose matter it is, the text says what to do. Never a traceback."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.projects import Project, environment

UNREACHABLE = {"ASYNCQ_URL": "sqlite:////proc/nowhere/queue.db"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--concurrency", "0"), "--concurrency"),
        (("--concurrency", "many"), "--concurrency"),
        (("--processes", "0"), "--processes"),
        (("--max-jobs", "-1"), "--max-jobs"),
        (("--tries", "-1"), "--tries"),
        (("--prefetch", "-1"), "--prefetch"),
        (("--max-time", "-1"), "--max-time"),
        (("--max-time", "inf"), "inf is no finite number"),
        (("--memory", "inf"), "inf is no finite number"),
        (("--sleep", "nan"), "--sleep"),
        (("--rest", "inf"), "inf is no finite number"),
        (("--timeout", "nan"), "--timeout"),
        (("--grace", "-1"), "--grace"),
        (("--stop-when-empty-for", "inf"), "inf is no finite number"),
        (("--delay", "-1"), "--delay"),
        (("--backoff", "soon"), "--backoff=soon: write seconds, or several with commas: 1,5,30"),
        (("--backoff", "1,-5"), "--backoff=1,-5: seconds are 0 or more, and finite"),
        (("--queue", "mail:0"), "the limit is how many may run at once, 1 or more"),
        (("--queue", "mail,,x"), "queue '' has no name; write for example mail:10,default"),
        (("--queue", ":5"), "has no name"),
        (("--queue", "mail,mail:2"), "queue 'mail' is listed twice"),
        (("--frobnicate",), "--frobnicate"),
        (("one", "two"), "two"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_used_is_code_2(project: Project, arguments: tuple[str, ...], said: str) -> None:
    answer = project.run("work", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "arguments",
    [("frobnicate",), ("failed", "--limit", "0"), ("migrate", "down"), ("pause", "mail", "--for", "0"), ("show",), ()],
    ids=lambda value: "-".join(value) or "nothing",
)
def test_a_command_that_is_not_understood_is_code_2(project: Project, arguments: tuple[str, ...]) -> None:
    assert project.run(*arguments).code == 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memory://", "is known only inside the process that dispatches; work there with `async with app.worker():`"),
        ("sync://", "keeps no jobs, so there is nothing to work on"),
        ("null://", "keeps no jobs, so there is nothing to work on"),
        ("nosuch://host", "no driver for nosuch://; there are"),
        ("queue.db", "'queue.db' is no URL; write for example sqlite:///queue.db"),
        ("sqlite:///queue.db?lease=soon", "lease='soon' is no number of seconds"),
        ("sqlite:///queue.db?lease=0.5", "lease=0.5 is too short; a worker needs 1 s or more"),
    ],
    ids=["memory", "sync", "null", "scheme", "no-url", "no-number", "lease"],
)
def test_a_worker_refuses_a_connection_it_cannot_work_on(project: Project, url: str, said: str) -> None:
    answer = project.run("work", "--once", ASYNCQ_URL=url)
    assert answer.code == 3
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_an_unknown_connection_is_code_3_and_the_known_ones_are_named(project: Project) -> None:
    answer = project.run("work", "nowhere")
    assert answer.code == 3
    assert answer.err == "error: no connection is called 'nowhere'; there are 'default'\n"


def test_processes_that_cannot_start_end_the_parent(project: Project) -> None:
    assert project.run("work", "--processes", "2", ASYNCQ_URL="sqlite:///queue.db?lease=0.5").code == 3


@pytest.mark.parametrize("arguments", [("size",), ("work", "--once")], ids=lambda value: value[0])
def test_a_broker_that_cannot_be_reached_is_code_4_and_doctor_is_named(
    project: Project, arguments: tuple[str, ...]
) -> None:
    answer = project.run(*arguments, **UNREACHABLE)
    assert (answer.code, answer.out) == (4, "")
    assert "error: /proc/nowhere/queue.db" in answer.err
    assert "hint: `asyncq doctor` looks at every connection and says what is wrong with it" in answer.err
    assert "Traceback" not in answer.err


def test_tables_of_another_version_are_code_5(project: Project, tmp_path: Path) -> None:
    url = {"ASYNCQ_URL": f"sqlite:///{tmp_path}/queue.db"}
    project.ok("migrate", **url)
    _age(tmp_path / "queue.db")
    commands = (("size",), ("failed",), ("monitor",), ("jobs",), ("clear", "--force"), ("flush", "--force"), ("bench",))
    for command in commands:
        answer = project.run(*command, **url)
        assert (answer.code, answer.out) == (5, "")
        assert "hint: `asyncq migrate status` shows the versions" in answer.err
    checks = project.json("doctor", code=1, **url)
    assert [check["check"] for check in checks if check["status"] == "problem"] == ["connection default"]


def _age(file: Path) -> None:
    """Pretend that a newer asyncq has made the tables."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("update asyncq_meta set value = 99 where key = 'schema'")


def test_a_reader_that_goes_away_gets_no_traceback(project: Project) -> None:
    project.push(*["Count"] * 3)
    program = [sys.executable, "-m", "asyncq", "about"]
    process = subprocess.Popen(
        program, cwd=project.folder, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()
    process.wait(30)
