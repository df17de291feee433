"""What commands show of queues and failed jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asyncq.cli.failures import UsageError
from asyncq.cli.output import Row, ago, say, when, write_rows
from asyncq.cli.places import places_of
from asyncq.cli.session import with_engine
from asyncq.records import FailedJob, QueueSize
from asyncq.retrying import failed_stores
from asyncq.wiring import Engine

__all__ = ["failed_row", "has_to_know_jobs", "name_in_full", "show_failed", "show_sizes"]

SIZE_COLUMNS = ("connection", "queue", "ready", "delayed", "reserved", "total", "oldest")
FAILED_COLUMNS = ("id", "job", "queue", "connection", "attempts", "failed_at", "error")


async def size_rows(engine: Engine, queues: Sequence[str]) -> Sequence[Row]:
    """Count the jobs of the queues."""
    rows: list[Row] = []
    for connection, queue in await places_of(engine, queues):
        sizes = await engine.driver(connection).sizes([queue])
        rows.append(_size_row(connection, queue, sizes[queue]))
    return rows


def _size_row(connection: str, queue: str, size: QueueSize) -> Row:
    return {
        "connection": connection,
        "queue": queue,
        "ready": size.ready,
        "delayed": size.delayed,
        "reserved": size.reserved,
        "total": size.total,
        "oldest_seconds": size.oldest_ready_age,
    }


def write_sizes(rows: Sequence[Row], *, as_json: bool) -> None:
    """Write the sizes of queues."""
    shown = rows if as_json else [{**row, "oldest": ago(row["oldest_seconds"])} for row in rows]
    write_rows(shown, SIZE_COLUMNS, as_json=as_json, empty="no queue holds a job")


async def failed_rows(engine: Engine, queue: str | None, name: str | None, limit: int) -> tuple[Sequence[Row], int]:
    """Return the newest failed jobs of all connections, and how many there are altogether."""
    full = name_in_full(engine, name)
    jobs: list[FailedJob] = []
    total = 0
    for store in failed_stores(engine):
        page = await store.page(queue=queue, name=full, limit=limit)
        jobs += page.items
        total += page.total
    jobs.sort(key=lambda job: job.failed_at, reverse=True)
    return [failed_row(job) for job in jobs[:limit]], total


def failed_row(job: FailedJob) -> dict[str, Any]:
    """Return what a list shows of a failed job."""
    return {
        "id": job.id,
        "job": job.name,
        "queue": job.queue,
        "connection": job.connection,
        "attempts": job.attempts,
        "exceptions": job.exceptions,
        "crashes": job.crashes,
        "failed_at": when(job.failed_at),
        "tags": list(job.tags),
        "group": job.group,
        "error": job.error,
    }


def has_to_know_jobs(name: str | None) -> bool:
    """Say whether a name may be the last part of one, which only the classes of the jobs can complete."""
    return name is not None and ":" not in name


def name_in_full(engine: Engine, name: str | None) -> str | None:
    """Return the name of the only job whose last part this is, else what was given: its class may be gone.

    Raises:
        UsageError: several jobs have this last part.
    """
    if not has_to_know_jobs(name):
        return name
    known = engine.setup.registry.load()
    full = sorted(item for item in known if item.endswith(f":{name}"))
    if name in known or not full:
        return name
    if len(full) > 1:
        raise UsageError(f"{len(full)} jobs are called {name!r}: {', '.join(full)}; name one in full")
    return full[0]


def write_failed(rows: Sequence[Row], total: int, *, as_json: bool) -> None:
    """Write a list of failed jobs."""
    write_rows(rows, FAILED_COLUMNS, as_json=as_json, empty="no failed jobs")
    if total > len(rows):
        say(f"{len(rows)} of {total} failed jobs; --limit {total} shows all")


def show_sizes(asked: str | None, queues: Sequence[str], *, as_json: bool) -> None:
    """Show the sizes of queues."""
    rows = with_engine(asked, lambda engine: size_rows(engine, queues))
    write_sizes(rows, as_json=as_json)


def show_failed(asked: str | None, queue: str | None, name: str | None, limit: int, *, as_json: bool) -> None:
    """Show the failed jobs."""
    rows, total = with_engine(
        asked, lambda engine: failed_rows(engine, queue, name, limit), jobs=has_to_know_jobs(name)
    )
    write_failed(rows, total, as_json=as_json)
