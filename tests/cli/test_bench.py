"""`asyncq bench`: what it measures, and that it leaves nothing behind."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import pytest

from benchmarks.chaos.leftovers import leftovers
from tests.cli.projects import Project, until
from tests.support.redis import RedisServer

COLUMNS = ["step", "jobs", "seconds", "jobs_per_second", "cpu_us_per_job"]
QUEUE = "asyncq-bench"


def rows_left(project: Project) -> dict[str, int]:
    """Return how many rows each table of the project's queue has, but for what the file knows of itself."""
    with closing(sqlite3.connect(project.folder / ".asyncq" / "queue.db")) as file:
        names = [row[0] for row in file.execute("select name from sqlite_master where type = 'table'")]
        counts = {name: file.execute(f"select count(*) from {name}").fetchone()[0] for name in names}  # noqa: S608
    return {name: count for name, count in counts.items() if count and name != "asyncq_meta"}


def test_bench_measures_dispatch_and_work_on_the_app_s_own_connection(project: Project) -> None:
    answer = project.ok("bench", "--jobs", "500")
    assert list(answer.rows[0]) == COLUMNS
    assert [(row["step"], row["jobs"]) for row in answer.rows] == [
        ("dispatch one by one", "200"),
        ("dispatch 100 at once", "300"),
        ("work", "500"),
    ]
    assert all(float(row["jobs_per_second"]) > 0 and float(row["cpu_us_per_job"]) > 0 for row in answer.rows)
    assert answer.err.startswith(f"500 jobs through queue {QUEUE} of default (sqlite:///{project.folder}/")


def test_bench_as_json_says_what_was_measured(project: Project) -> None:
    facts = project.json("bench", "default", "--jobs", "30", "--concurrency", "5")
    assert (facts["connection"], facts["concurrency"]) == ("default", 5)
    assert facts["url"].endswith("/.asyncq/queue.db")
    assert [(step["step"], step["jobs"]) for step in facts["steps"]] == [("dispatch one by one", 30), ("work", 30)]
    assert set(facts["steps"][0]) == set(COLUMNS)


def test_bench_on_a_terminal_is_a_table(project: Project) -> None:
    answer = project.at_terminal("bench", "--jobs", "20", NO_COLOR="1")
    assert answer.code == 0
    assert "\t" not in answer.out
    assert "cpu_us_per_job" in answer.out


def test_bench_leaves_the_user_s_jobs_alone_and_nothing_of_its_own(project: Project) -> None:
    project.push("Count", "Count")
    project.ok("pause", "--all")
    before = rows_left(project)
    project.ok("bench", "--jobs", "50")
    assert rows_left(project) == before
    assert (project.size().ready, project.history()) == (2, [])


def test_a_private_bench_touches_no_connection_at_all(project: Project) -> None:
    facts = project.json("bench", "--private", "--jobs", "20", ASYNCQ_URL="sqlite:////proc/nowhere/queue.db")
    assert facts["connection"] == "private"
    assert not (project.folder / ".asyncq" / "queue.db").exists()


def test_bench_runs_in_memory_too_and_without_the_app_s_listeners(project: Project) -> None:
    project.write(
        "loud.py",
        "from asyncq import AsyncQ\nfrom jobs import note\nq = AsyncQ('memory://')\n"
        "q.before(lambda event: note('heard', event.name))\n",
    )
    assert project.json("bench", "--jobs", "20", "--app", "loud")["url"] == "memory://"
    assert project.history() == []


def test_bench_leaves_nothing_in_redis_but_what_ends_by_itself(project: Project) -> None:
    with RedisServer() as server:
        project.ok("bench", "--jobs", "300", ASYNCQ_URL=server.url)
        assert leftovers(server.url) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_an_empty_queue(project: Project, number: signal.Signals) -> None:
    with project.terminal("bench", "--jobs", "1000000") as terminal:
        until(lambda: project.size(QUEUE).total > 1000, "jobs in the queue")
        terminal.process.send_signal(number)
        assert terminal.wait() == 130
        assert "stopped; the queue of the measurement is empty" in terminal.shown()
        assert "Traceback" not in terminal.shown()
    assert project.size(QUEUE).total == 0


def test_what_another_measurement_left_is_not_touched(project: Project) -> None:
    project.ok("dispatch", "Count", "--queue", QUEUE)
    answer = project.run("bench", "--jobs", "10")
    assert (answer.code, answer.out) == (1, "")
    assert f"`asyncq clear default --queue {QUEUE}` tidies up" in answer.err
    assert project.size(QUEUE).total == 1


@pytest.mark.parametrize(
    ("arguments", "url", "code", "said"),
    [
        ((), "sync://", 3, "keeps no jobs, so there is nothing to measure"),
        ((), "null://", 3, "keeps no jobs, so there is nothing to measure"),
        (("nowhere",), "memory://", 3, "no connection is called 'nowhere'; there are 'default'"),
        (("--jobs", "0"), "memory://", 2, "--jobs"),
        ((), "sqlite:////proc/nowhere/queue.db", 4, "/proc/nowhere/queue.db"),
    ],
    ids=["sync", "null", "unknown", "none", "unreachable"],
)
def test_what_cannot_be_measured_is_refused(
    project: Project, arguments: tuple[str, ...], url: str, code: int, said: str
) -> None:
    answer = project.run("bench", *arguments, ASYNCQ_URL=url)
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "Traceback" not in answer.err
