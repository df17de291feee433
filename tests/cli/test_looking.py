"""Commands that look: their lines on a pipe, their tables on a terminal, their JSON, their exit codes."""

from __future__ import annotations

import signal

import pytest

from tests.cli.projects import Project, until

PRIVATE = "geheim"
SIZE_KEYS = ["connection", "queue", "ready", "delayed", "reserved", "total"]


# --- size -------------------------------------------------------------------------------------------------------------


def test_size_counts_what_each_queue_holds(project: Project) -> None:
    project.push("Count", "Count")
    project.push("Count", delay=3600)
    project.push("Mail", to="ada")
    rows = project.json("size")
    counts = {row["queue"]: (row["ready"], row["delayed"], row["reserved"], row["total"]) for row in rows}
    assert counts == {"default": (2, 1, 0, 3), "mail": (1, 0, 0, 1)}
    assert all(row["oldest_seconds"] >= 0 for row in rows)


def test_size_on_a_pipe_is_lines_with_tabs(project: Project) -> None:
    project.push("Count")
    answer = project.ok("size")
    assert answer.out.splitlines()[0].split("\t") == [*SIZE_KEYS, "oldest"]
    assert [answer.rows[0][key] for key in SIZE_KEYS] == ["default", "default", "1", "0", "0", "1"]
    assert answer.err == ""


def test_size_on_a_terminal_is_a_table(project: Project) -> None:
    project.push("Count")
    shown = project.on_terminal("size")
    assert "\t" not in shown
    assert "\x1b[" in shown
    assert project.on_terminal("size", TERM="dumb").splitlines()[0].split() == [*SIZE_KEYS, "oldest"]


def test_size_takes_queues_by_name_empty_ones_too(project: Project) -> None:
    rows = project.json("size", "default:mail", "other,third")
    assert [(row["connection"], row["queue"], row["total"]) for row in rows] == [
        ("default", "mail", 0),
        ("default", "other", 0),
        ("default", "third", 0),
    ]


def test_an_empty_listing_is_said_on_stderr_and_is_no_failure(project: Project) -> None:
    assert (project.ok("size").out, project.ok("size").err) == ("", "no queue holds a job\n")
    assert (project.ok("failed").out, project.ok("failed").err) == ("", "no failed jobs\n")
    assert project.json("size") == project.json("failed") == []


# --- failed, show -----------------------------------------------------------------------------------------------------


@pytest.fixture
def failed(project: Project) -> str:
    """Give the id of a job that has failed."""
    (id,) = project.push("Bad", why="line one\nline\ttwo")
    project.work()
    return id


def test_failed_lists_each_job_in_one_line(project: Project, failed: str) -> None:
    (row,) = project.ok("failed").rows
    assert list(row) == ["id", "job", "queue", "connection", "attempts", "failed_at", "error"]
    assert (row["id"], row["job"], row["attempts"]) == (failed, "jobs:Bad", "1")
    assert row["error"] == "ValueError: line one line two"


def test_failed_as_json_has_all_that_is_known(project: Project, failed: str) -> None:
    (row,) = project.json("failed")
    assert row["id"] == failed
    assert row["error"] == "ValueError: line one\nline\ttwo"
    assert {"exceptions", "crashes", "tags", "group"} < set(row)


def test_failed_on_a_terminal_is_a_table(project: Project, failed: str) -> None:
    shown = project.on_terminal("failed", NO_COLOR="1", COLUMNS="200")
    assert failed in shown
    assert "\t" not in shown


def test_failed_can_be_limited_and_says_so(project: Project) -> None:
    project.push("Bad", "Bad", "Bad")
    project.work()
    answer = project.ok("failed", "--limit", "2")
    assert len(answer.rows) == 2
    assert answer.err == "2 of 3 failed jobs; --limit 3 shows all\n"
    assert project.json("failed", "--queue", "mail") == []
    assert len(project.json("failed", "--queue", "default")) == 3


def test_show_tells_all_of_a_failed_job(project: Project, failed: str) -> None:
    facts = project.json("show", failed)
    assert (facts["state"], facts["job"], facts["arguments"]) == ("failed", "jobs:Bad", {"why": "line one\nline\ttwo"})
    assert "raise ValueError(self.why)" in facts["traceback"]
    text = project.ok("show", failed).out
    assert "\ntraceback:\n  Traceback" in text


def test_show_hides_redacted_arguments_unless_asked(project: Project) -> None:
    (id,) = project.push("Mail", delay=3600, to="ada", token=PRIVATE)
    facts = project.json("show", id)
    assert facts["state"] == "delayed"
    assert facts["arguments"] == {"to": "ada", "token": "(redacted)"}
    assert PRIVATE not in project.ok("show", id).out
    assert project.json("show", id, "--raw")["arguments"]["token"] == PRIVATE


def test_show_of_an_unknown_id_is_code_1(project: Project) -> None:
    answer = project.run("show", "nobody")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("error: no job has the id 'nobody'")
    assert "`asyncq failed` lists what failed" in answer.err


# --- about, migrate ---------------------------------------------------------------------------------------------------


def test_about_tells_what_was_found_and_from_where(project: Project) -> None:
    facts = project.json("about", ASYNCQ_NAME="shop")
    assert facts["project"] == str(project.folder)
    assert facts["app"] == "made from the configuration: no AsyncQ object was found"
    assert facts["job_modules"] == ["jobs"]
    assert facts["queues"] == ["default", "mail"]
    assert facts["name"] == "shop"
    settings = {row["setting"]: (row["value"], row["from"]) for row in facts["settings"]}
    assert settings["name"] == ("shop", "ASYNCQ_NAME")
    assert settings["failed"] == (None, "default")
    assert settings["connections.default.lease"] == (30.0, "default")
    assert [row["job"] for row in facts["jobs"]] == [f"jobs:{name}" for name in ("Bad", "Count", "Eat", "Mail", "Nap")]
    assert facts["connections"][0]["url"].endswith("/.asyncq/queue.db")


def test_about_says_of_each_setting_who_set_it(project: Project) -> None:
    project.write("pyproject.toml", "[tool.asyncq]\nfailed = 'keep'\nconnections.keep = 'sqlite:///keep.db'\n")
    project.write("queues.py", "from asyncq import AsyncQ\n\napp = AsyncQ(name='mine', locks='null://')\n")
    try:
        facts = project.json(
            "about", ASYNCQ_CONNECTIONS__KEEP__RETRY_AFTER="90", ASYNCQ_URL="sqlite:///q.db?queue=slow"
        )
    finally:
        (project.folder / "queues.py").unlink()
        project.write("pyproject.toml", "")
    settings = {row["setting"]: (row["value"], row["from"]) for row in facts["settings"]}
    assert settings["name"] == ("mine", "AsyncQ(...)")
    assert settings["failed"] == ("keep", "[tool.asyncq] failed")
    assert settings["locks"] == ("locks", "AsyncQ(...)")
    assert settings["connections.locks.url"] == ("null://", "AsyncQ(...)")
    assert settings["connections.keep.url"][1] == "[tool.asyncq.connections.keep] url"
    assert settings["connections.keep.lease"] == (90.0, "ASYNCQ_CONNECTIONS__KEEP__RETRY_AFTER")
    assert settings["connections.default.url"] == ("sqlite:///q.db?queue=slow", "ASYNCQ_URL")
    assert settings["connections.default.queue"] == ("slow", "ASYNCQ_URL")
    assert settings["connections.default.prefix"] == ("asyncq", "default")


def test_about_for_people_has_the_same_in_lines(project: Project) -> None:
    text = project.ok("about").out
    assert f"\nproject      {project.folder}\n" in text
    assert "\njobs:Mail\tdefault\tmail\t" in text
    assert "jobs:Mail" in project.on_terminal("about", NO_COLOR="1")


def test_about_never_shows_a_password(project: Project) -> None:
    answer = project.run(
        "about",
        ASYNCQ_CONNECTIONS__OTHER__URL="memory://me:geheim@host",
        ASYNCQ_CONNECTIONS__THIRD__URL="redis://host?password=geheim&db=3",
        ASYNCQ_CONNECTIONS__THIRD__SENTINEL_PASSWORD="geheim",  # noqa: S106 - nobody's
    )
    assert "me:***@host" in answer.out
    assert "redis://host?password=***&db=3" in answer.out
    assert "connections.third.password\t(hidden)\tASYNCQ_CONNECTIONS__THIRD__URL" in answer.out
    assert "geheim" not in answer.out + answer.err


def test_migrate_makes_the_tables_and_status_only_looks(project: Project) -> None:
    (made,) = project.json("migrate")
    assert made["state"] == "current"
    assert made["found"] == made["needed"]
    assert project.json("migrate", "status") == [made]
    (row,) = project.ok("migrate", "status").rows
    assert list(row) == ["connection", "found", "needed", "state", "url"]
    assert "current" in project.on_terminal("migrate", "status")


def test_migrate_status_of_a_connection_without_tables_is_no_failure(project: Project) -> None:
    (row,) = project.json("migrate", "status", ASYNCQ_URL="memory://")
    assert (row["found"], row["state"]) == (None, "has no tables")


# --- doctor, health ---------------------------------------------------------------------------------------------------


def test_doctor_finds_a_fresh_project_well_but_for_the_missing_worker(project: Project) -> None:
    checks = project.json("doctor")
    assert {check["check"] for check in checks} >= {"python", "platform", "libraries", "project", "app", "jobs"}
    assert [(c["status"], c["detail"], c["fix"]) for c in checks if c["status"] != "ok"] == [
        ("warning", "no worker is alive", "`asyncq work default`")
    ]


def test_doctor_warns_with_the_exact_fix(project: Project) -> None:
    project.ok("pause", "mail")
    rows = project.ok("doctor", ASYNCQ_COLOUR="x", OTHER_URL="y").rows
    fixes = {row["detail"]: row["fix"] for row in rows if row["status"] == "warning"}
    assert fixes["queue mail is paused"] == "`asyncq resume default:mail`"
    assert fixes["ASYNCQ_COLOUR is no setting, and nobody reads it"] == "correct or unset it"


def test_doctor_tells_a_misspelt_variable_as_the_problem_that_it_is(project: Project) -> None:
    checks = project.json("doctor", code=1, ASYNCQ_CONECTIONS="x")
    (problem,) = [check for check in checks if check["status"] == "problem"]
    assert problem["detail"] == (
        "ASYNCQ_CONECTIONS is no setting; did you mean ASYNCQ_CONNECTIONS__NAME__KEY? Correct it, or unset it"
    )


def test_doctor_looks_at_every_connection_and_ends_with_1_where_one_is_broken(project: Project) -> None:
    broken = {"ASYNCQ_CONNECTIONS__OTHER__URL": "sqlite:////proc/nowhere/queue.db"}
    checks = project.json("doctor", code=1, **broken)
    problems = [check for check in checks if check["status"] == "problem"]
    assert [check["check"] for check in problems] == ["connection other"]
    assert "/proc/nowhere" in problems[0]["detail"]
    assert any(check["check"] == "connection default" and check["status"] == "ok" for check in checks)


def test_doctor_has_colours_on_a_terminal_alone(project: Project) -> None:
    assert "\x1b[32mok" in project.on_terminal("doctor")
    assert "\x1b[3" not in project.on_terminal("doctor", NO_COLOR="1")
    assert "\x1b" not in project.ok("doctor").out


def test_doctor_sees_queues_that_nobody_reads(project: Project) -> None:
    worker = project.start("--queue", "mail")
    until(project.workers, "a heartbeat")
    project.push("Count")
    details = [row["detail"] for row in project.ok("doctor").rows if row["status"] == "warning"]
    assert details == ["queue default holds jobs and nobody reads it"]
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0


def test_health_is_0_with_a_worker_and_1_without(project: Project) -> None:
    nobody = project.run("health")
    assert (nobody.code, nobody.out) == (1, "unhealthy: no worker has given a sign of life in the last 35 s\n")
    assert project.json("health", code=1)["healthy"] is False
    worker = project.start("--name", "one", "--concurrency", "3")
    until(project.workers, "a heartbeat")
    assert project.ok("health").out == "healthy: one\n"
    state = project.json("health")
    assert (state["healthy"], state["reasons"]) == (True, [])
    assert [(item["name"], item["concurrency"], item["well"]) for item in state["workers"]] == [("one", 3, True)]
    worker.process.send_signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert project.run("health").code == 1


# --- pipes ------------------------------------------------------------------------------------------------------------


def test_help_names_every_command(project: Project) -> None:
    text = project.ok("--help").out
    looks = ("about", "doctor", "health", "size", "monitor", "jobs", "failed", "show")
    changes = ("dispatch", "clear", "retry", "forget", "flush", "prune-failed", "restart", "pause", "resume")
    for name in (*looks, *changes, "work", "listen", "make", "migrate", "table", "bench", "demo"):
        assert f"\n  {name} " in text
