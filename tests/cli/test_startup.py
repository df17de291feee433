"""How quickly the command line is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.projects import environment


def seconds(program: list[str], folder: Path) -> float:
    """Return the processor time of a run: a busy machine makes it longer by little."""
    process = subprocess.Popen(program, cwd=folder, env=environment({}), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_the_help_is_there_in_twice_the_time_of_typer(tmp_path: Path) -> None:
    """The best of seven runs each, in turns, so that both meet the same machine."""
    programs = (["-c", "import typer"], ["-m", "asyncq", "--help"])
    rounds = [[seconds([sys.executable, *program], tmp_path) for program in programs] for _ in range(7)]
    typer, ours = map(min, zip(*rounds, strict=True))
    assert ours <= 2 * typer


def test_the_help_loads_no_engine(tmp_path: Path) -> None:
    code = (
        "import sys, asyncq.cli\n"
        "asyncq.cli.run(['--help'])\n"
        "heavy = {'anyio', 'pydantic', 'rich', 'sqlite3', 'asyncq.app', 'asyncq.worker'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment({}), check=True, capture_output=True)
