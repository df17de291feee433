"""`listen`, and what a person sees of a worker in a terminal."""

from __future__ import annotations

import json
import os
import re
import signal

import pytest

from tests.cli.projects import Project, until


def test_listen_starts_anew_when_code_changes_and_ends_its_worker_before_itself(project: Project) -> None:
    pytest.importorskip("watchfiles")
    original = (project.folder / "jobs.py").read_text()
    try:
        with project.terminal("listen", "--name", "ear") as terminal:
            until(project.workers, "a heartbeat")
            project.write("jobs.py", original.replace('note("mail", ', 'note("letter", '))
            terminal.wait_for("jobs.py changed; the worker starts anew")
            project.push("Mail", to="ada")
            until(project.history, "the job")
            (beat,) = project.json("health", "--name", "ear")["workers"]
            assert beat["pid"] != terminal.process.pid
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.wait() == 0
    finally:
        project.write("jobs.py", original)
    assert project.history() == [["letter", "ada"]]
    with pytest.raises(ProcessLookupError):
        os.kill(beat["pid"], 0)


def test_listen_takes_the_options_of_work(project: Project) -> None:
    pytest.importorskip("watchfiles")
    project.push("Count")
    project.push("Mail", to="ada")
    answer = project.ok("listen", "--queue", "mail", "--stop-when-empty", "-v")
    assert 'message="jobs:Mail starts"' in answer.err
    assert [line[0] for line in project.history()] == ["mail"]
    assert project.run("listen", "--concurrency", "0").code == 2


@pytest.mark.parametrize("arguments", [("listen",), ("work", "--reload")], ids=" ".join)
def test_without_watchfiles_the_way_to_get_it_is_told(project: Project, arguments: tuple[str, ...]) -> None:
    project.write("watchfiles.py", "raise ImportError('not installed here')\n")
    try:
        answer = project.run(*arguments)
    finally:
        (project.folder / "watchfiles.py").unlink()
    assert (answer.code, answer.out) == (3, "")
    assert "the library watchfiles, which is not installed: pip install 'asyncq[reload]'" in answer.err


def test_listen_and_work_have_a_help_of_their_own(project: Project) -> None:
    listen, work = project.ok("listen", "--help").out, project.ok("work", "--help").out
    assert "start anew when code changes.\n\n" in listen
    assert "until something ends it" in work
    options = re.compile(r"^  (--[\w-]+)", re.MULTILINE)
    assert options.findall(listen) == options.findall(work) != []


def test_verbose_on_a_terminal_is_one_short_line_for_each_job(project: Project) -> None:
    (count,) = project.push("Count")
    (bad,) = project.push("Bad")
    answer = project.at_terminal("work", "-v", "--stop-when-empty", NO_COLOR="1")
    assert re.search(rf"^\d\d:\d\d:\d\d  default  jobs:Count  {count}  done in [\d.]+ ms$", answer.out, re.MULTILINE)
    assert re.search(rf"^\d\d:\d\d:\d\d  default  jobs:Bad  {bad}  failed: ValueError: no$", answer.out, re.MULTILINE)
    assert "starts" not in answer.out
    assert "\x1b" not in answer.out


def test_verbose_on_a_terminal_has_colours_and_cuts_long_lines(project: Project) -> None:
    project.push("Bad", why="x" * 500)
    answer = project.at_terminal("work", "-v", "--stop-when-empty", COLUMNS="80")
    (line,) = [line for line in answer.out.splitlines() if "  failed: " in line]
    assert line.startswith("\x1b[31m")
    assert len(re.sub(r"\x1b\[\d*m", "", line)) == 80


def test_many_jobs_fold_on_a_terminal(project: Project) -> None:
    project.push(*["Count"] * 300)
    answer = project.at_terminal("work", "-v", "--stop-when-empty", NO_COLOR="1")
    folded = re.findall(r"^\+(\d+) jobs? in [\d.]+ s$", answer.out, re.MULTILINE)
    single = re.findall(r"^\S+  default  jobs:Count  ", answer.out, re.MULTILINE)
    assert folded
    assert sum(map(int, folded)) + len(single) == 300


def test_children_show_their_jobs_too(project: Project) -> None:
    project.push(*["Count"] * 4)
    answer = project.at_terminal("work", "-v", "--stop-when-empty", "--processes", "2", NO_COLOR="1")
    assert len(re.findall(r"  jobs:Count  \S+  done in ", answer.out)) == 4


def test_jobs_never_fold_on_a_pipe_nor_in_json_nor_in_a_full_log(project: Project) -> None:
    project.push(*["Count"] * 30)
    piped = project.work("-v").err
    assert piped.count("status=success") == 30
    assert "\n+" not in piped
    project.push(*["Count"] * 30)
    shown = project.at_terminal("work", "-v", "--json", "--stop-when-empty").out
    lines = [json.loads(line) for line in shown.splitlines()]
    assert sum(line.get("status") == "success" for line in lines) == 30
    project.push("Count")
    full = project.at_terminal("work", "-vv", "--stop-when-empty").out
    assert "status=success" in full
    assert "  done in" not in full
