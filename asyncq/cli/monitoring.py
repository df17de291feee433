"""`asyncq monitor`: which queues hold too many jobs, once or again and again."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Final

from asyncq.cli.failures import FAILED
from asyncq.cli.listing import SIZE_COLUMNS, size_rows
from asyncq.cli.output import Row, ago, table_of, write_line, write_rows
from asyncq.cli.session import with_engine
from asyncq.events import QueueBusy
from asyncq.wiring import Engine

__all__ = ["monitor"]

COLUMNS: Final = (*SIZE_COLUMNS, "status")
NOTHING: Final = "no queue holds a job"
Show = Callable[[Sequence[Row]], None]


def monitor(asked: str | None, queues: Sequence[str], most: int, *, every: float | None, as_json: bool) -> int:
    """Show the sizes of queues; returns 1 where the last look found one with `most` jobs or more.

    `every` looks again after so many seconds, until a signal. An app's listeners hear of a queue when it becomes busy.
    """
    if every is None:
        rows = with_engine(asked, lambda engine: _look(engine, queues, most, set()))
        write_rows(rows if as_json else _told(rows), COLUMNS, as_json=as_json, empty=NOTHING)
        return _code(rows)
    with _screen(as_json=as_json) as show:
        return with_engine(asked, lambda engine: _watch(engine, queues, most, every, show))


async def _watch(engine: Engine, queues: Sequence[str], most: int, every: float, show: Show) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    busy: set[tuple[str, str]] = set()
    rows: Sequence[Row] = ()
    while not stop.is_set():
        rows = await _look(engine, queues, most, busy)
        show(rows)
        try:
            await asyncio.wait_for(stop.wait(), every)
        except TimeoutError:
            continue
    return _code(rows)


async def _look(engine: Engine, queues: Sequence[str], most: int, busy: set[tuple[str, str]]) -> Sequence[Row]:
    """Count, and tell of the queues that were not in `busy` before."""
    rows: list[Row] = [
        {**row, "max": most, "status": "busy" if row["total"] >= most else "ok"}
        for row in await size_rows(engine, queues)
    ]
    now = {(row["connection"], row["queue"]): row["total"] for row in rows if row["status"] == "busy"}
    for place in now.keys() - busy:
        await engine.setup.listeners.emit(QueueBusy(*place, now[place]))
    busy.clear()
    busy.update(now)
    return rows


def _code(rows: Sequence[Row]) -> int:
    return FAILED if any(row["status"] == "busy" for row in rows) else 0


def _told(rows: Sequence[Row]) -> Sequence[Row]:
    return [{**row, "oldest": ago(row["oldest_seconds"])} for row in rows]


@contextmanager
def _screen(*, as_json: bool) -> Generator[Show]:
    """Yield what shows each look: a table in place on a terminal, lines that follow one another on a pipe."""
    if as_json or not sys.stdout.isatty():
        yield write_line if as_json else _write_lines
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield lambda rows: live.update(table_of(_told(rows), COLUMNS) if rows else NOTHING, refresh=True)


def _write_lines(rows: Sequence[Row]) -> None:
    write_rows(_told(rows), COLUMNS, as_json=False, empty=NOTHING)
    sys.stdout.flush()
