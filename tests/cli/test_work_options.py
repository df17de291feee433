"""Every option of `asyncq work` does what it says."""

from __future__ import annotations

import json
import os
import signal
import time
from itertools import pairwise

import pytest

from tests.cli.projects import Project, until

NO_BACKOFF = ("--backoff", "0")
LISTENER = """

class Listener(Nap):
    async def interrupted(self, reason: str) -> None:
        note("told", reason)
"""


def most_at_once(project: Project) -> int:
    """Return how many naps overlapped."""
    running = most = 0
    for what, *_ in sorted(project.history(), key=lambda line: float(line[1])):
        running += 1 if what == "start" else -1
        most = max(most, running)
    return most


def gaps(project: Project, word: str, column: int) -> list[float]:
    """Return the seconds between the lines of one kind."""
    instants = [float(line[column]) for line in project.history() if line[0] == word]
    return [later - earlier for earlier, later in pairwise(instants)]


# --- which jobs -------------------------------------------------------------------------------------------------------


def test_the_argument_chooses_the_connection(project: Project) -> None:
    reports = {"ASYNCQ_CONNECTIONS__REPORTS__URL": f"sqlite:///{project.folder}/.asyncq/reports.db"}
    project.ok("dispatch", "Count", '{"number": 1}', **reports)
    project.ok("dispatch", "Count", '{"number": 2}', "--connection", "reports", **reports)
    project.work("reports", **reports)
    assert [line[1] for line in project.history()] == ["2"]


@pytest.mark.parametrize(
    ("queues", "order"), [("mail,default", ["mail", "count"]), ("default,mail", ["count", "mail"])]
)
def test_the_order_of_the_queues_is_their_priority(project: Project, queues: str, order: list[str]) -> None:
    project.push("Count")
    project.push("Mail", to="ada")
    project.work("--queue", queues, "--concurrency", "1")
    assert [line[0] for line in project.history()] == order


def test_queues_that_are_not_named_are_left_alone(project: Project) -> None:
    project.push("Count")
    project.push("Mail", to="ada")
    project.work("--queue", "mail")
    assert [line[0] for line in project.history()] == ["mail"]
    assert project.size().total == 1


def test_a_queue_has_a_limit_of_its_own(project: Project) -> None:
    project.push("Nap", "Nap", "Nap", seconds=0.1)
    project.work("--queue", "default:1", "--concurrency", "10")
    assert len(project.history()) == 6
    assert most_at_once(project) == 1


def test_concurrency_is_how_many_jobs_run_at_once(project: Project) -> None:
    project.push(*["Nap"] * 5, seconds=0.2)
    project.work("--concurrency", "2")
    assert len(project.history()) == 10
    assert most_at_once(project) == 2


@pytest.mark.parametrize("ahead", [0, 2])
def test_prefetch_is_how_many_jobs_are_leased_beyond_the_running_ones(project: Project, ahead: int) -> None:
    project.push(*["Nap"] * 4, seconds=30)
    worker = project.start("--concurrency", "1", "--prefetch", str(ahead), "--grace", "0")
    until(project.history, "a job that runs")
    until(lambda: project.size().reserved == 1 + ahead, "the leased jobs")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_force_ignores_pauses(project: Project) -> None:
    project.ok("pause", "--all")
    project.push("Count", delay=1.5)  # by then a worker without the option has seen the pause
    answer = project.ok("work", "--force", "--max-jobs", "1")
    assert "--force: pauses are ignored" in answer.err
    assert len(project.history()) == 1


def test_app_names_another_app(project: Project) -> None:
    project.write(
        "others.py", f"from asyncq import AsyncQ\nq = AsyncQ('sqlite:///{project.folder}/.asyncq/other.db')\n"
    )
    project.ok("dispatch", "Count", "--app", "others:q")
    project.work()
    assert not project.history()
    project.work("--app", "others:q")
    assert len(project.history()) == 1


# --- when it ends -----------------------------------------------------------------------------------------------------


def test_once_ends_after_one_job_or_none(project: Project) -> None:
    project.push("Count", "Count")
    project.ok("work", "--once")
    assert len(project.history()) == 1
    project.ok("work", "--once")
    project.ok("work", "--once")
    assert len(project.history()) == 2


def test_stop_when_empty_does_not_wait_for_delayed_jobs(project: Project) -> None:
    project.push("Count")
    project.push("Count", delay=3600)
    project.work()
    assert len(project.history()) == 1
    assert project.size().total == 1


def test_stop_when_empty_for_waits_for_more_jobs(project: Project) -> None:
    project.push("Nap", seconds=0)
    project.push("Nap", delay=0.8, seconds=0)
    answer = project.ok("work", "--stop-when-empty-for", "1.5")
    assert "ends: empty_for" in answer.err
    assert len(project.history()) == 4


def test_max_jobs_ends_it_after_so_many(project: Project) -> None:
    project.push("Count", "Count", "Count")
    answer = project.ok("work", "--max-jobs", "2")
    assert "ends: max_jobs" in answer.err
    assert len(project.history()) == 2
    assert project.size().total == 1


def test_max_time_ends_it_after_so_long(project: Project) -> None:
    assert "ends: max_time" in project.ok("work", "--max-time", "0.2").err


def test_memory_ends_it_with_code_12_after_the_job(project: Project) -> None:
    project.push("Eat", megabytes=200)
    answer = project.run("work", "--memory", "150")
    assert answer.code == 12, answer
    assert project.history() == [["ate", "200"]]
    assert project.size().total == 0


def test_grace_zero_hands_a_running_job_back_at_once(project: Project) -> None:
    project.push("Nap", seconds=3600)
    worker = project.start("--grace", "0")
    until(project.history, "the start of the job")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert (project.size().ready, project.size().reserved) == (1, 0)


def test_a_job_may_end_within_the_grace(project: Project) -> None:
    project.push("Nap", seconds=0.5)
    worker = project.start("--grace", "20")
    until(project.history, "the start of the job")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert [line[0] for line in project.history()] == ["start", "end"]
    assert project.size().total == 0


# --- jobs that say nothing themselves ---------------------------------------------------------------------------------


def test_timeout_holds_for_jobs_that_say_nothing(project: Project) -> None:
    project.push("Nap", seconds=3600)
    project.work("--timeout", "0.2")
    (job,) = project.failed()
    assert job.error.startswith("JobTimeout")


def test_tries_hold_for_jobs_that_say_nothing(project: Project) -> None:
    project.push("Bad")
    project.work("--tries", "3", *NO_BACKOFF)
    assert [line[1] for line in project.history()] == ["1", "2", "3"]
    (job,) = project.failed()
    assert job.attempts == 3


def test_without_tries_a_job_has_one_attempt(project: Project) -> None:
    project.push("Bad")
    project.work()
    assert len(project.history()) == 1


def test_tries_zero_has_no_limit(project: Project) -> None:
    project.push("Bad")
    project.ok("work", "--tries", "0", "--max-jobs", "5")
    assert len(project.history()) == 5
    assert not project.failed()


def test_backoff_is_the_wait_before_each_next_attempt(project: Project) -> None:
    project.push("Bad")
    project.ok("work", "--tries", "3", "--backoff", "0.2,0.6", "--max-jobs", "3")
    first, second = gaps(project, "bad", 2)
    assert first >= 0.15
    assert second >= 0.55


def test_delay_is_an_old_name_of_backoff(project: Project) -> None:
    project.push("Bad")
    project.ok("work", "--tries", "2", "--delay", "0.4", "--backoff", "0.1", "--max-jobs", "2")
    (gap,) = gaps(project, "bad", 2)
    assert gap >= 0.35


def test_sleep_is_the_longest_wait_where_nothing_wakes_the_worker(project: Project) -> None:
    url = f"sqlite:///{project.folder}/.asyncq/queue.db?block_for=none"
    worker = project.start("--sleep", "0.05", ASYNCQ_URL=url)
    until(project.workers, "a heartbeat")
    began = time.monotonic()
    for _ in range(5):
        project.push("Count")
        until(lambda: not project.size().total, "the job")
    assert len(project.history()) == 5
    assert time.monotonic() - began < 8, "with looks every 3 s, the default, it takes longer"
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_rest_is_a_pause_of_the_slot_after_each_job(project: Project) -> None:
    project.push("Nap", "Nap", seconds=0)
    project.work("--concurrency", "1", "--rest", "0.4")
    (gap,) = gaps(project, "start", 1)
    assert gap >= 0.35


# --- processes, names, talk -------------------------------------------------------------------------------------------


def test_processes_work_side_by_side_and_end_together(project: Project) -> None:
    worker = project.start("--processes", "2", "--name", "pair", "--concurrency", "3")
    until(lambda: len(project.workers()) == 2, "two heartbeats")
    workers = project.json("health", "--name", "pair")["workers"]
    assert len({item["pid"] for item in workers} - {worker.process.pid}) == 2
    assert {item["concurrency"] for item in workers} == {3}
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert not project.workers()


def test_processes_end_by_themselves_when_nothing_is_due(project: Project) -> None:
    project.push(*["Count"] * 6)
    answer = project.work("--processes", "2")
    assert answer.err.count("asyncq works") == 1
    assert "50 jobs at once in 2 processes" in answer.err
    assert len(project.history()) == 6


def test_a_name_is_how_health_finds_the_worker(project: Project) -> None:
    worker = project.start("--name", "mailer")
    until(project.workers, "a heartbeat")
    assert project.ok("health", "--name", "mailer").out == "healthy: mailer\n"
    other = project.run("health", "--name", "mail")
    assert other.code == 1
    assert "no worker called mail has given a sign of life" in other.out
    assert "there are mailer" in other.out
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_json_logs_lines_of_json_to_stdout_and_nothing_else(project: Project) -> None:
    project.push("Count", "Bad")
    answer = project.work("--json", "-v")
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert answer.err == ""
    assert lines[0]["message"] == "asyncq works"
    assert lines[0]["queues"] == "default, mail"
    done = next(line for line in lines if line.get("status") == "success")
    assert done["job"] == "jobs:Count"
    assert done["uuid"] == done["id"]
    failed = next(line for line in lines if line.get("status") == "failed")
    assert failed["exception"] == "ValueError: no"


def test_verbose_logs_each_job_and_quiet_only_what_went_wrong(project: Project) -> None:
    project.push("Count")
    assert "jobs:Count" not in project.work().err
    project.push("Count")
    lines = project.work("-v").err
    assert 'message="jobs:Count starts"' in lines
    assert "status=success" in lines


def test_it_says_at_its_start_what_it_found_and_where(project: Project) -> None:
    said = project.work("--queue", "mail:10,default", "--concurrency", "7").err
    facts = dict(line.split(maxsplit=1) for line in said.splitlines() if line.startswith("  "))
    assert facts["project"] == str(project.folder)
    assert facts["jobs"] == "5 from jobs (jobs.py)"
    assert facts["queues"] == "mail:10, default"
    assert facts["concurrency"] == "7 jobs at once in 1 process"
    assert facts["connection"].endswith("/.asyncq/queue.db")


def test_reload_starts_anew_when_code_changes(project: Project) -> None:
    pytest.importorskip("watchfiles")
    original = (project.folder / "jobs.py").read_text()
    worker = project.start("--reload")
    until(project.workers, "a heartbeat")
    try:
        project.write("jobs.py", original.replace('note("mail", ', 'note("letter", '))
        worker.wait_for("jobs.py changed; the worker starts anew")
        project.push("Mail", to="ada")
        until(project.history, "the job")
    finally:
        project.write("jobs.py", original)
    assert project.history() == [["letter", "ada"]]
    worker.process.send_signal(signal.SIGINT)
    assert worker.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_reload_ends_its_worker_before_itself(project: Project, number: signal.Signals) -> None:
    pytest.importorskip("watchfiles")
    worker = project.start("--reload")
    until(project.workers, "a heartbeat")
    (beat,) = project.json("health")["workers"]
    assert os.getsid(beat["pid"]) == beat["pid"], "a Ctrl-C must not reach it twice"
    worker.process.send_signal(number)
    assert worker.wait() == 0
    with pytest.raises(ProcessLookupError):
        os.kill(beat["pid"], 0)


def test_reload_ends_without_an_error_while_its_worker_is_being_started(project: Project) -> None:
    pytest.importorskip("watchfiles")
    worker = project.start("--reload")
    until(project.workers, "a heartbeat")
    project.write("jobs.py", (project.folder / "jobs.py").read_text() + "\n")
    worker.wait_for("jobs.py changed; the worker starts anew")
    worker.process.send_signal(signal.SIGINT)
    assert worker.wait() == 0


def test_reload_passes_on_a_second_signal_which_skips_the_grace(project: Project) -> None:
    pytest.importorskip("watchfiles")
    code = (project.folder / "jobs.py").read_text()
    project.write("jobs.py", code + LISTENER)
    project.push("Listener", seconds=3600)
    worker = project.start("--reload", "--grace", "3600")
    until(project.history, "the start of the job")
    worker.process.send_signal(signal.SIGINT)
    until(lambda: "told" in [line[0] for line in project.history()], "the first signal in the worker")
    worker.process.send_signal(signal.SIGINT)
    assert worker.wait() == 0
    assert (project.size().ready, project.size().reserved) == (1, 0)
