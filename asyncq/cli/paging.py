"""Lists the jobs that wait or run, over queues and states, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, cast

from asyncq.cli.output import Row, counted, say, when, write_rows
from asyncq.cli.places import Place, all_places, names_in, place_of
from asyncq.cli.session import with_engine
from asyncq.contracts import Inspectable
from asyncq.errors import NotSupported
from asyncq.records import WaitingJob
from asyncq.wiring import Engine

__all__ = ["show_jobs", "waiting_row"]

State = Literal["ready", "delayed", "reserved"]
STATES: Final[tuple[State, ...]] = ("reserved", "ready", "delayed")
"""In the order in which they end."""
COLUMNS: Final = ("id", "job", "queue", "connection", "state", "due_at", "attempts")


def show_jobs(
    asked: str | None, queues: Sequence[str], state: str | None, *, limit: int, offset: int, as_json: bool
) -> None:
    """List waiting and running jobs: the running first, then in the order in which they will run."""
    states = STATES if state is None else (cast("State", state),)
    rows, total = with_engine(asked, lambda engine: _rows(engine, queues, states, limit=limit, offset=offset))
    empty = f"there are only {counted(total, 'job')}" if total else "no jobs"
    write_rows(rows, COLUMNS, as_json=as_json, empty=empty)
    if rows and total > offset + len(rows):
        say(f"{offset + 1} to {offset + len(rows)} of {counted(total, 'job')}; --offset {offset + len(rows)} goes on")


async def _rows(
    engine: Engine, queues: Sequence[str], states: Sequence[State], *, limit: int, offset: int
) -> tuple[Sequence[Row], int]:
    """Return a page, and how many jobs there are altogether."""
    rows: list[Row] = []
    total = 0
    for connection, queue in await _places(engine, queues):
        driver = _lister(engine, connection)
        size = (await engine.driver(connection).sizes([queue]))[queue]
        for state in states:
            count: int = getattr(size, state)
            skipped, left = max(0, offset - total), limit - len(rows)
            if left > 0 and skipped < count:
                page = await driver.page(queue, state, limit=left, offset=skipped)
                rows += [waiting_row(job, connection) for job in page]
            total += count
    return rows, total


async def _places(engine: Engine, queues: Sequence[str]) -> Sequence[Place]:
    if queues:
        return [place_of(engine, name) for name in names_in(queues)]
    able = {name for name, driver in engine.drivers.items() if isinstance(driver, Inspectable)}
    for name in [name for name in engine.drivers if name not in able]:
        say(f"note: connection {name} cannot list its jobs")
    return [place for place in await all_places(engine) if place[0] in able]


def _lister(engine: Engine, connection: str) -> Inspectable:
    driver = engine.driver(connection)
    if not isinstance(driver, Inspectable):
        raise NotSupported(f"connection {connection!r} cannot list its jobs; `asyncq size` says how many there are")
    return driver


def waiting_row(job: WaitingJob, connection: str) -> Row:
    """Return what a list shows of a stored job."""
    return {
        "id": job.id,
        "job": job.name,
        "queue": job.queue,
        "connection": connection,
        "state": job.state,
        "due_at": when(job.due_at),
        "attempts": job.attempts,
        "exceptions": job.exceptions,
        "crashes": job.crashes,
        "tags": list(job.tags),
        "group": job.group,
        "unique_key": job.unique_key,
    }
