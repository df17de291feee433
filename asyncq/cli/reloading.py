"""`asyncq work --reload`: runs the worker in a process of its own, and starts it anew when code changes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any, Final

from asyncq.cli.output import say
from asyncq.config import project_root
from asyncq.errors import MissingDependency

__all__ = ["run_reloading"]

LOOK_EVERY_MS: Final = 300
SLACK: Final = 10.0
"""Seconds beyond the grace for the worker to end by itself."""


def run_reloading(arguments: Sequence[str], grace: float) -> int:
    """Run `asyncq work ARGUMENTS` until Ctrl-C, or until it ends without a change.

    Raises:
        MissingDependency: watchfiles is not installed.
    """
    changes = _watch()
    command = [sys.executable, "-m", "asyncq", "work", *arguments]
    worker = subprocess.Popen(command)  # noqa: S603  our own program
    try:
        for changed in changes:
            if changed:
                say(f"asyncq: {_told(changed)} changed; the worker starts anew")
                _end(worker, grace)
                worker = subprocess.Popen(command)  # noqa: S603  our own program
            elif worker.poll() == 0:
                break  # it ended because of a limit; after an error the next change may mend it
    except KeyboardInterrupt:
        pass
    finally:
        _end(worker, grace)
    return worker.returncode


def _watch() -> Iterable[set[tuple[Any, str]]]:
    try:
        watchfiles = import_module("watchfiles")
    except ImportError as error:
        raise MissingDependency(
            "--reload watches files with the library watchfiles, which is not installed: pip install 'asyncq[reload]'"
        ) from error
    root = project_root()
    python_only = watchfiles.PythonFilter()
    changes: Iterable[set[tuple[Any, str]]] = watchfiles.watch(
        root, watch_filter=python_only, rust_timeout=LOOK_EVERY_MS, yield_on_timeout=True, raise_interrupt=True
    )
    return changes


def _told(changed: set[tuple[Any, str]]) -> str:
    paths = sorted(path for _, path in changed)
    return paths[0] if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"


def _end(worker: subprocess.Popen[bytes], grace: float) -> None:
    worker.terminate()
    try:
        worker.wait(grace + SLACK)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
