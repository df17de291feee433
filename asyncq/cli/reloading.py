"""Runs the worker of `listen` and `work --reload` in a process of its own, and starts it anew when code changes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final

from asyncq.cli.interrupts import Interrupts, noted
from asyncq.cli.output import say
from asyncq.config import project_root
from asyncq.errors import MissingDependency

__all__ = ["run_reloading"]

LOOK_EVERY_MS: Final = 300
SLACK: Final = 20.0
"""Seconds beyond the grace for the worker to end by itself; more than it needs to hand back what would not end."""


def run_reloading(arguments: Sequence[str], grace: float) -> int:
    """Run `asyncq work ARGUMENTS` until a signal, or until it ends without a change.

    Raises:
        MissingDependency: watchfiles is not installed.
    """
    command = [sys.executable, "-m", "asyncq", "work", *arguments]
    with noted() as interrupts:
        changes = _watch(interrupts)
        worker = _start(command)
        try:
            for changed in changes:
                if changed:
                    say(f"asyncq: {_told(changed)} changed; the worker starts anew")
                    _end(worker, grace, interrupts)
                    if interrupts.is_set():
                        break
                    worker = _start(command)
                elif worker.poll() == 0:
                    break  # it ended because of a limit; after an error the next change may mend it
        finally:
            _end(worker, grace, interrupts)
        return _code(worker, interrupts)


def _start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start it in a session of its own: a Ctrl-C that reached it too would be its second signal, and skip the grace."""
    return subprocess.Popen(command, start_new_session=True)  # noqa: S603  our own program


def _code(worker: subprocess.Popen[bytes], interrupts: Interrupts) -> int:
    """Return the worker's exit code: 0 also where our signal reached it before it could handle one."""
    return 0 if interrupts.is_set() and worker.returncode == -signal.SIGTERM else worker.returncode


def _watch(interrupts: Interrupts) -> Iterable[set[tuple[Any, str]]]:
    try:
        watchfiles = import_module("watchfiles")
    except ImportError as error:
        raise MissingDependency(
            "code is watched with the library watchfiles, which is not installed: pip install 'asyncq[reload]'"
        ) from error
    root = project_root()
    python_only = watchfiles.PythonFilter()
    changes: Iterable[set[tuple[Any, str]]] = watchfiles.watch(
        root, watch_filter=python_only, rust_timeout=LOOK_EVERY_MS, yield_on_timeout=True, stop_event=interrupts
    )
    return changes


def _told(changed: set[tuple[Any, str]]) -> str:
    paths = sorted(path for _, path in changed)
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _end(worker: subprocess.Popen[bytes], grace: float, interrupts: Interrupts) -> None:
    """Let it end by itself for as long as it may; a second signal to us is its second too, which skips the grace."""
    interrupts.end(worker, grace + SLACK, told=1, again=worker.terminate)
