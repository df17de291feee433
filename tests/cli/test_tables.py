"""`table` and `migrate sql`: the SQL of the tables, for those who run it themselves."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.projects import Project


def test_the_sql_on_a_pipe_makes_a_file_that_is_current(project: Project, tmp_path: Path) -> None:
    url = {"ASYNCQ_URL": f"sqlite:///{tmp_path}/queue.db"}
    answer = project.ok("table", **url)
    assert answer.out.startswith("-- connection default: tables of version ")
    assert answer.err == ""
    assert not (tmp_path / "queue.db").exists()
    with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as file:
        file.executescript(answer.out)
    (row,) = project.json("migrate", "status", ASYNCQ_URL=url["ASYNCQ_URL"])
    assert row["state"] == "current"


def test_the_sql_is_the_same_on_a_terminal_and_of_migrate(project: Project) -> None:
    piped = project.ok("table").out
    assert project.on_terminal("table") == piped == project.ok("migrate", "sql").out
    assert "\x1b" not in piped


def test_the_sql_as_json_is_a_list_of_statements(project: Project) -> None:
    (row,) = project.json("table", "default")
    assert (row["connection"], row["since"]) == ("default", 0)
    assert row["statements"][0] == "PRAGMA journal_mode = WAL"
    assert f"('schema', {row['version']})" in row["statements"][-2]
    (later,) = project.json("table", "--since", "1")
    assert 0 < len(later["statements"]) < len(row["statements"])
    (nothing,) = project.json("table", "--since", str(row["version"]))
    assert nothing["statements"] == []


def test_every_connection_with_tables_has_its_part(project: Project) -> None:
    others = {
        "ASYNCQ_CONNECTIONS__REPORTS__URL": "sqlite:///reports.db?prefix=rep",
        "ASYNCQ_CONNECTIONS__CACHE__URL": "memory://",
    }
    heads = [line.split(":")[0] for line in project.ok("table", **others).out.splitlines() if line.startswith("--")]
    assert heads == ["-- connection reports", "-- connection default"]
    assert "CREATE TABLE rep_jobs" in project.ok("table", "reports", **others).out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere",), 3, "no connection is called 'nowhere'; there are 'cache', 'default'"),
        (("cache",), 3, "there are no tables to make for cache (memory://)"),
        (("--since", "99"), 2, "--since 99: there are no tables of version 99"),
        (("--since", "-1"), 2, "--since"),
    ],
    ids=["unknown", "without", "version", "negative"],
)
def test_what_has_no_sql_is_refused(project: Project, arguments: tuple[str, ...], code: int, said: str) -> None:
    answer = project.run("table", *arguments, ASYNCQ_CONNECTIONS__CACHE__URL="memory://")
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
