"""`asyncq demo`, as a stranger runs it: on a pipe, twice, interrupted."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import sqlite3
import struct
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from asyncq.cli.demo import DemoBroken, Interrupted, Workers, demo
from asyncq.cli.interrupts import Interrupts, noted
from tests.examples.projects import Project, environment


@pytest.fixture
def project(tmp_path: Path) -> Project:
    path = tmp_path / "a project"
    path.mkdir()
    (path / "pyproject.toml").touch()
    return Project(path)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A small folder, for what does not need the whole standard library."""
    folder = tmp_path / "a library"
    folder.mkdir()
    for number in range(40):
        (folder / f"good{number}.py").write_text("import os\n")
    return folder


def start(project: Project, *folders: Path) -> subprocess.Popen[str]:
    """Start the demo; where the queue of its surroundings is, is no matter of its."""
    return subprocess.Popen(
        [sys.executable, "-m", "asyncq", "demo", *map(str, folders)],
        cwd=project.path,
        env={**environment(), "ASYNCQ_URL": "sqlite:///not-here.db"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def counts(out: str) -> tuple[int, int, int, int]:
    """Return what the summary says: jobs, done, failed, attempts."""
    found = re.search(
        r"^(\d+) jobs took [\s\S]*: (\d+) were done and (\d+) failed, in (\d+) attempts", out, re.MULTILINE
    )
    assert found, out
    jobs, done, failed, attempts = map(int, found.groups())
    return jobs, done, failed, attempts


def test_the_demo_indexes_the_standard_library(project: Project) -> None:
    with start(project) as running:
        out, err = running.communicate()
    assert (running.returncode, err) == (0, "")
    jobs, done, failed, attempts = counts(out)
    with closing(sqlite3.connect(project.path / ".asyncq" / "demo" / "index.db")) as index:
        [stored] = index.execute("select count(*), sum(lines), sum(attempts) from files").fetchall()
    assert jobs > 100
    assert (done, attempts) == (stored[0], stored[2] + 3 * failed)
    assert jobs == done + failed
    assert f"{stored[0]} files, {stored[1]} lines, " in out
    assert out.count("  3 attempts  ") == failed > 0
    assert "SyntaxError: invalid syntax (unfinished.py, line 4)" in out


def test_the_demo_runs_twice_and_what_it_says_to_do_next_works(project: Project, library: Path) -> None:
    out = ""
    for _ in range(2):
        with start(project, library) as running:
            out, err = running.communicate()
        assert (running.returncode, err) == (0, "")
        assert counts(out)[:3] == (41, 40, 1)
    assert project.processes() == []
    assert not list(project.path.rglob("not-here.db"))
    steps = re.findall(r"^  (cd .+|echo .+|.+ -m asyncq .+)$", out, re.MULTILINE)
    assert [step.split(" -m asyncq ")[-1].split()[0] for step in steps] == ["cd", "failed", "echo", "retry", "work"]
    script = "set -e\n" + "\n".join(steps)
    done = subprocess.run(["sh", "-c", script], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    demo_project = Project(project.path / ".asyncq" / "demo")
    assert demo_project.asyncq("failed") == []
    assert demo_project.run("index.py", "--summary").startswith("41 files, ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_no_process(project: Project, number: signal.Signals) -> None:
    with start(project) as running:
        assert running.stdout is not None
        # The first line: from then on the draft alone takes 1.2 s, the waits before its attempts.
        next(line for line in running.stdout if re.match(r"\d+ of \d+ jobs", line))
        running.send_signal(number)
        rest, err = running.communicate()
    assert (running.returncode, err) == (130, "\nstopped\n"), rest
    assert project.processes() == []


class Deaf:
    """Workers that end only when they are killed; the first look at them brings a Ctrl-C."""

    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts
        self.killed = False

    def terminate(self) -> None:
        """Do not heed it."""

    def kill(self) -> None:
        self.killed = True

    def poll(self) -> int | None:
        if not self.interrupts.is_set():
            os.kill(os.getpid(), signal.SIGINT)
        return -signal.SIGKILL if self.killed else None


def test_an_interrupt_while_the_workers_end_kills_them_and_is_not_lost() -> None:
    with noted() as interrupts:
        process = Deaf(interrupts)
        Workers(cast("subprocess.Popen[bytes]", process), interrupts).stop()
    assert (process.killed, interrupts.count) == (True, 1)
    with pytest.raises(Interrupted):
        Workers(cast("subprocess.Popen[bytes]", process), interrupts).check(0)


def test_on_a_terminal_the_demo_shows_a_bar_and_no_line_is_wider(project: Project, library: Path) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 60, 0, 0))
    command = [sys.executable, "-m", "asyncq", "demo", str(library)]
    env = {name: value for name, value in environment().items() if name not in {"COLUMNS", "LINES", "NO_COLOR"}}
    (library / "broken.py").write_text("print 'a line that Python cannot parse, and that it comments at some length'\n")
    with subprocess.Popen(command, cwd=project.path, env={**env, "TERM": "xterm"}, stdout=follower) as running:
        os.close(follower)
        shown = read_all(leader)
    assert running.returncode == 0
    assert "42/42" in shown
    reasons = re.findall(r"^  3 attempts  .*$", shown.replace("\r", ""), re.MULTILINE)
    assert len(reasons) == 2
    assert max(map(len, reasons)) <= 60


def read_all(terminal: int) -> str:
    """Read until the other side is closed, which Linux tells as an error and others as an end."""
    chunks: list[bytes] = []
    try:
        while chunk := os.read(terminal, 65_536):
            chunks.append(chunk)
    except OSError:
        pass
    os.close(terminal)
    return b"".join(chunks).decode()


def test_two_demos_at_once_do_not_disturb_each_other(project: Project, library: Path) -> None:
    with start(project, library) as first, start(project, library) as second:
        assert first.communicate()[1] == second.communicate()[1] == ""
    assert (first.returncode, second.returncode) == (0, 0)


def test_a_folder_that_is_not_there_is_a_mistake_of_use(project: Project) -> None:
    with start(project, project.path / "missing") as running:
        assert "missing" in running.communicate()[1]
    assert running.returncode == 2


def test_a_demo_whose_workers_cannot_start_says_where_to_look(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project.path)
    monkeypatch.setattr("asyncq.cli.demo.WORK", ("work", "no-such-connection"))
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(DemoBroken, match=r"ended with code 3; see worker\.log"):
            demo()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert "no-such-connection" in (project.path / ".asyncq" / "demo" / "worker.log").read_text()
    assert "$ asyncq work" in capsys.readouterr().out


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_demo_that_may_not_write_here_makes_its_project_elsewhere(project: Project, library: Path) -> None:
    project.path.chmod(0o500)
    with start(project, library) as running:
        out, err = running.communicate()
    assert (running.returncode, err) == (0, "")
    assert "asyncq-demo-" in out
