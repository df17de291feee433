"""Commands about what the queues hold: jobs, clear, monitor."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.cli.projects import Project, environment, until

PRIVATE = "geheim"
JOB_COLUMNS = ["id", "job", "queue", "connection", "state", "due_at", "attempts"]
LISTENING = """
from asyncq import AsyncQ
from asyncq.events import QueueBusy

from jobs import note

queue = AsyncQ()


@queue.on(QueueBusy)
def busy(event: QueueBusy) -> None:
    note("busy", event.connection, event.queue, event.size)
"""


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_jobs_lists_what_runs_and_waits_in_the_order_in_which_it_will_end(project: Project) -> None:
    (late,) = project.push("Count", delay=3600)
    first, second = project.push("Nap", "Count", seconds=60)
    worker = project.start("--concurrency", "1", "--prefetch", "0", "--grace", "0")
    until(project.history, "the job that runs")
    rows = project.json("jobs")
    assert [(row["id"], row["state"]) for row in rows] == [(first, "reserved"), (second, "ready"), (late, "delayed")]
    assert set(JOB_COLUMNS) | {"tags", "group", "unique_key", "exceptions", "crashes"} == set(rows[0])
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_jobs_on_a_pipe_are_lines_with_tabs_and_a_table_on_a_terminal(project: Project) -> None:
    (id,) = project.push("Mail", to="ada")
    answer = project.ok("jobs")
    assert (answer.out.splitlines()[0].split("\t"), answer.err) == (JOB_COLUMNS, "")
    assert [answer.rows[0][key] for key in JOB_COLUMNS[:5]] == [id, "jobs:Mail", "mail", "default", "ready"]
    shown = project.on_terminal("jobs", NO_COLOR="1", COLUMNS="200")
    assert id in shown
    assert "\t" not in shown


def test_jobs_never_show_arguments(project: Project) -> None:
    project.push("Mail", to="ada", token=PRIVATE)
    assert PRIVATE not in project.ok("jobs").out + project.ok("jobs", "--json").out


def test_jobs_can_be_asked_for_by_queue_and_state(project: Project) -> None:
    (mail,) = project.push("Mail", to="ada")
    (late,) = project.push("Count", delay=3600)
    project.push("Count")
    assert [row["id"] for row in project.json("jobs", "--queue", "default:mail")] == [mail]
    assert [row["id"] for row in project.json("jobs", "--state", "delayed")] == [late]
    assert len(project.json("jobs", "--queue", "mail,default")) == 3
    assert project.json("jobs", "--queue", "other") == []
    assert (project.ok("jobs", "--state", "reserved").out, project.ok("jobs", "--state", "reserved").err) == (
        "",
        "no jobs\n",
    )


def test_jobs_come_in_pages_over_queues_and_states(project: Project) -> None:
    ids = [*project.push("Count", "Count"), *project.push("Count", delay=3600), *project.push("Mail", "Mail", to="x")]
    first = project.ok("jobs", "--limit", "3")
    assert [row["id"] for row in first.rows] == ids[:3]
    assert first.err == "1 to 3 of 5 jobs; --offset 3 goes on\n"
    assert [row["id"] for row in project.json("jobs", "--offset", "1", "--limit", "3")] == ids[1:4]
    last = project.ok("jobs", "--offset", "4")
    assert ([row["id"] for row in last.rows], last.err) == (ids[4:], "")
    assert project.ok("jobs", "--offset", "9").err == "there are only 5 jobs\n"


def test_jobs_of_a_connection_that_cannot_list_them_are_refused_by_name_and_passed_over_else(project: Project) -> None:
    other = {"ASYNCQ_CONNECTIONS__OTHER__URL": "null://"}
    project.push("Count")
    assert project.run("jobs", "--queue", "other:mail", **other).code == 3
    answer = project.ok("jobs", **other)
    assert answer.err == "note: connection other cannot list its jobs\n"
    assert len(answer.rows) == 1


# --- clear ------------------------------------------------------------------------------------------------------------


def test_clear_forgets_the_jobs_of_the_default_queue_and_of_no_other(project: Project) -> None:
    project.push("Count", "Count")
    project.push("Count", delay=3600)
    project.push("Mail", to="ada")
    answer = project.ok("clear", "--force")
    assert (answer.out, answer.err) == ("", "queue default of default: 3 jobs were forgotten\n")
    assert (project.size().total, project.size("mail").total) == (0, 1)


def test_clear_takes_queues_by_name_each_once(project: Project) -> None:
    project.push("Count")
    project.push("Mail", to="ada")
    rows = project.json("clear", "default", "--queue", "mail, other,mail", "--force")
    assert rows == [
        {"connection": "default", "queue": "mail", "forgotten": 1},
        {"connection": "default", "queue": "other", "forgotten": 0},
    ]
    assert project.size().total == 1


def test_clear_frees_what_the_jobs_held(project: Project) -> None:
    project.ok("dispatch", "Count", "--id", "mine")
    project.ok("clear", "--force")
    assert project.json("dispatch", "Count", "--id", "mine")["created"] is True


def test_clear_without_a_terminal_wants_force_before_it_does_anything(project: Project) -> None:
    project.push("Count")
    answer = project.run("clear")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.endswith("there is no terminal to ask on; add --force if it is meant\n")
    assert project.size().total == 1


@pytest.mark.parametrize(("typed", "code", "left"), [("y\n", 0, 0), ("n\n", 1, 2), ("\n", 1, 2), ("\x04", 1, 2)])
def test_clear_asks_on_a_terminal(project: Project, typed: str, code: int, left: int) -> None:
    project.push("Count", "Count")
    answer = project.at_terminal("clear", typed=typed)
    assert answer.code == code
    assert "Forget 2 jobs of queue default of connection default? [y/N]" in answer.out
    assert ("nothing was forgotten" in answer.out) is bool(code)
    assert project.size().total == left


def test_clear_says_how_many_of_the_jobs_run(project: Project) -> None:
    project.push("Nap", "Nap", seconds=60)
    worker = project.start("--concurrency", "1", "--prefetch", "0", "--grace", "0")
    until(project.history, "the job that runs")
    shown = project.at_terminal("clear", typed="n\n").out
    assert "Forget 2 jobs, 1 of which is running now, of queue default of connection default?" in shown
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nowhere",), 3, "no connection is called 'nowhere'; there are 'other', 'default'"),
        (("other",), 3, "connection 'other' cannot empty a queue"),
        (("--queue", "mail,,x"), 2, "a queue has no name in 'mail,,x'; write for example mail,default"),
        (("one", "two"), 2, "two"),
    ],
    ids=["unknown", "unable", "nameless", "too-much"],
)
def test_what_cannot_be_cleared_is_refused(project: Project, arguments: tuple[str, ...], code: int, said: str) -> None:
    answer = project.run("clear", *arguments, "--force", ASYNCQ_CONNECTIONS__OTHER__URL="sync://")
    assert (answer.code, answer.out) == (code, "")
    assert said in answer.err
    assert "Traceback" not in answer.err


# --- monitor ----------------------------------------------------------------------------------------------------------


def test_monitor_ends_with_1_where_a_queue_is_at_its_threshold(project: Project) -> None:
    project.push("Count", "Count")
    project.push("Count", delay=3600)
    assert project.ok("monitor", "--max", "4").rows[0]["status"] == "ok"
    busy = project.run("monitor", "--max", "3")
    assert (busy.code, busy.err) == (1, "")
    assert [busy.rows[0][key] for key in ("queue", "total", "status")] == ["default", "3", "busy"]
    (row,) = project.json("monitor", "default", "--max", "3", code=1)
    assert (row["total"], row["max"], row["status"], row["ready"], row["delayed"]) == (3, 3, "busy", 2, 1)


def test_monitor_has_a_threshold_of_a_thousand_and_takes_queues_by_name(project: Project) -> None:
    rows = project.json("monitor", "default:mail,other")
    assert [(row["queue"], row["max"], row["status"]) for row in rows] == [("mail", 1000, "ok"), ("other", 1000, "ok")]
    assert (project.ok("monitor").out, project.ok("monitor").err) == ("", "no queue holds a job\n")


def test_monitor_marks_a_busy_queue_in_red_on_a_terminal_alone(project: Project) -> None:
    project.push("Count")
    assert "\x1b[31mbusy" in project.on_terminal("monitor", "--max", "1")
    assert "\x1b" not in project.run("monitor", "--max", "1").out


def test_monitor_tells_the_listeners_of_the_app(project: Project) -> None:
    project.write("listening.py", LISTENING)
    project.push("Count", "Count")
    assert project.run("monitor", "--max", "2", "--app", "listening").code == 1
    assert project.ok("monitor", "--max", "3", "--app", "listening").code == 0
    assert project.history() == [["busy", "default", "default", "2"]]


def test_monitor_looks_again_until_a_signal_and_tells_of_a_busy_queue_once(project: Project) -> None:
    project.write("listening.py", LISTENING)
    project.push("Count")
    program = [
        sys.executable,
        "-m",
        "asyncq",
        "monitor",
        "--max",
        "2",
        "--watch",
        "0.1",
        "--json",
        "--app",
        "listening",
    ]
    process = subprocess.Popen(
        program, cwd=project.folder, env=environment({}), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    looks = (json.loads(line)[0]["status"] for line in process.stdout)
    assert next(looks) == "ok"
    project.push("Count")
    assert "busy" in looks
    assert next(looks) == "busy"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 1
    process.stdout.close()
    assert project.history() == [["busy", "default", "default", "2"]]


def test_monitor_on_a_terminal_redraws_its_table_until_a_signal(project: Project) -> None:
    project.push("Count")
    with project.terminal("monitor", "--watch", "0.1", "--max", "2") as terminal:
        terminal.wait_for("ok")
        project.push("Count")
        terminal.wait_for("busy")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == 1
        assert "\x1b[1A" in terminal.shown(), "the cursor went up"


@pytest.mark.parametrize(
    "arguments", [("--max", "0"), ("--watch", "0"), ("--watch", "inf"), ("--max", "many")], ids=str
)
def test_a_monitor_that_cannot_be_is_code_2(project: Project, arguments: tuple[str, ...]) -> None:
    assert project.run("monitor", *arguments).code == 2
