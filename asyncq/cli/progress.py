"""How far a run of jobs has come: a bar on a terminal, a line now and then on a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["Show", "progress"]

Show = Callable[[int, int], None]
"""Takes how many jobs have ended, and how many wait for their next attempt."""
LINE_EVERY: Final = 2.0


@contextmanager
def progress(total: int) -> Generator[Show]:
    """Yield what shows the progress while the block lasts."""
    if sys.stdout.isatty():
        with _bar(total) as show:
            yield show
    else:
        yield _lines(total)


@contextmanager
def _bar(total: int) -> Generator[Show]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    with Progress(*columns) as bar:
        task = bar.add_task("", total=total, note="")

        def show(done: int, delayed: int) -> None:
            bar.update(task, completed=done, note=_note(delayed))

        yield show


def _lines(total: int) -> Show:
    next_at = 0.0

    def show(done: int, delayed: int) -> None:
        nonlocal next_at
        if done == total or time.monotonic() >= next_at:
            next_at = time.monotonic() + LINE_EVERY
            note = _note(delayed)
            print(f"{done} of {total} jobs" + (f", {note}" if note else ""), flush=True)

    return show


def _note(delayed: int) -> str:
    return "" if not delayed else "1 waits for a retry" if delayed == 1 else f"{delayed} wait for a retry"
