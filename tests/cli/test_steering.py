"""What running workers are told: restart, pause, resume; and what the commands answer."""

from __future__ import annotations

import signal

import pytest

from tests.cli.projects import Project, until


def test_restart_ends_a_running_worker_with_code_0_after_its_job(project: Project) -> None:
    project.push("Nap", seconds=1.5)
    worker = project.start()
    until(lambda: project.history() and project.workers(), "a worker with a job")
    answer = project.ok("restart")
    assert answer.out == ""
    assert answer.err.startswith("restart: 1 worker will end when their jobs are done")
    assert worker.wait() == 0
    assert "ends: restart_signal" in worker.log()
    assert [line[0] for line in project.history()] == ["start", "end"]


def test_a_restart_does_not_end_workers_that_start_later(project: Project) -> None:
    assert "0 workers" in project.ok("restart").err
    project.push("Nap", delay=1.5, seconds=0)  # by then the worker has read the signal
    assert "ends: max_jobs" in project.ok("work", "--max-jobs", "1").err


def test_a_pause_is_felt_by_its_queue_alone_until_it_is_lifted(project: Project) -> None:
    worker = project.start()
    until(project.workers, "a heartbeat")
    said = project.ok("pause", "mail").err
    assert said.startswith("queue mail of default is paused until `asyncq resume`")
    worker.wait_for("queue mail of default is paused")
    project.push("Mail", to="ada")
    project.push("Count")
    until(project.history, "the job of the other queue")
    assert [line[0] for line in project.history()] == ["count"]
    assert project.ok("resume", "mail").err == "queue mail of default goes on\n"
    until(lambda: len(project.history()) == 2, "the job of the queue that goes on")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_pause_of_all_queues_may_end_by_itself(project: Project) -> None:
    worker = project.start()
    until(project.workers, "a heartbeat")
    assert project.ok("pause", "--all", "--for", "3").err.startswith("every queue is paused for 3 s")
    worker.wait_for("queue * of default is paused")
    project.push("Count")
    worker.wait_for("queue * of default is resumed")
    until(project.history, "the job")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_a_worker_that_starts_takes_nothing_of_a_paused_queue(project: Project) -> None:
    project.push("Count")
    project.ok("pause", "default")
    project.work()
    assert not project.history()


def test_each_pause_is_lifted_by_itself(project: Project) -> None:
    project.ok("pause", "mail")
    project.ok("pause", "--all")
    assert project.ok("resume", "mail").err.splitlines() == [
        "queue mail of default goes on",
        "but all queues are paused; `asyncq resume --all` lifts that",
    ]
    project.ok("pause", "default:mail")
    assert project.ok("resume", "--all").err.splitlines() == [
        "every queue goes on",
        "queue mail of default is paused by itself; `asyncq resume default:mail`",
    ]
    assert project.ok("resume", "--all").err.startswith("there was no pause of all queues")
    project.ok("resume", "mail")
    assert project.ok("resume", "mail").err == "queue mail of default was not paused\n"


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.parametrize("arguments", [(), ("mail", "--all")], ids=["nothing", "both"])
def test_it_must_be_clear_what_is_paused(project: Project, verb: str, arguments: tuple[str, ...]) -> None:
    answer = project.run(verb, *arguments)
    assert answer.code == 2
    assert "or --all for every queue; one of the two" in answer.err


def test_what_workers_are_told_is_reported_in_json_too(project: Project) -> None:
    paused = [{"connection": "default", "queue": "mail", "seconds": None}]
    assert project.json("pause", "mail") == paused
    assert project.json("pause", "--all", "--for", "60") == [{"connection": "default", "queue": "*", "seconds": 60.0}]
    mail, everything = {"connection": "default", "queue": "mail"}, {"connection": "default", "queue": "*"}
    assert project.json("resume", "mail") == {"resumed": [mail], "still_paused": [everything]}
    assert project.json("resume", "mail") == {"resumed": [], "still_paused": [everything]}
    project.ok("pause", "mail")
    assert project.json("resume", "--all") == {"resumed": [everything], "still_paused": [mail]}
    assert project.json("restart") == {"workers": []}


def test_restart_names_the_workers_in_json(project: Project) -> None:
    worker = project.start("--name", "one")
    until(project.workers, "a heartbeat")
    assert project.json("restart") == {"workers": [{"connection": "default", "name": "one"}]}
    assert worker.wait() == 0


def test_continue_is_another_name_of_resume(project: Project) -> None:
    project.ok("pause", "mail")
    assert project.ok("continue", "mail").err == "queue mail of default goes on\n"
    assert "\n  continue " not in project.ok("--help").out


def test_telling_workers_on_a_terminal_is_a_line_without_colours(project: Project) -> None:
    answer = project.at_terminal("pause", "mail")
    assert (answer.code, "\x1b" in answer.out) == (0, False)
    assert answer.out.startswith("queue mail of default is paused until `asyncq resume`")
