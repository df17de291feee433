"""Runs commands without paying for the imports each time: a process that has done them forks for each command.

A fork is a process of its own: its folder, its environment, its modules of the project, its exit code.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import chdir, redirect_stderr
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from asyncq.cli import run
from tests.support.root import ROOT

__all__ = ["run_quickly"]

CLI = (
    *("clearing", "commands", "doctor", "forgetting", "migrating", "monitoring", "paging", "repeating", "sending"),
    *("showing", "steering", "working"),
)
MODULES = (*(f"asyncq.cli.{name}" for name in CLI), "asyncq.drivers.sqlite", "asyncq.worker.process")


def run_quickly(arguments: Sequence[str], folder: Path, variables: Mapping[str, str], out: Path, err: Path) -> int:
    """Run `asyncq` with stdout and stderr in files, and return the exit code."""
    order = {
        "arguments": arguments,
        "folder": str(folder),
        "variables": dict(variables),
        "out": str(out),
        "err": str(err),
    }
    server = _server()
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(order) + "\n")
    server.stdin.flush()
    return int(server.stdout.readline())


@cache
def _server() -> subprocess.Popen[str]:
    server = subprocess.Popen(
        [sys.executable, "-m", __name__], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    atexit.register(server.communicate)  # the end of its stdin is its own end
    return server


def _serve() -> None:
    _import_all()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n")
        sys.stdout.flush()


def _import_all() -> None:
    for name in MODULES:
        import_module(name)
    # Once through the parser, which imports its parts when it needs them; the folder is nobody's project.
    with TemporaryDirectory() as folder, chdir(folder), redirect_stderr(StringIO()):
        run(["show", "nobody", "--app", "missing"])


def _become(order: dict[str, Any]) -> None:
    """Be the command, as `python -m asyncq` would be."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["variables"])
    sys.path[0] = order["folder"]
    sys.argv = ["asyncq", *order["arguments"]]
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(order[name], os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    code = 1
    try:
        code = run(order["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
