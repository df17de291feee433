"""Forgets failed jobs: some by id, all, or the old ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from asyncq.cli.asking import check_that_we_may_ask, confirmed
from asyncq.cli.failures import FAILED
from asyncq.cli.output import Row, counted, forgotten, say, write_json
from asyncq.cli.session import in_engine, with_engine
from asyncq.discovery import discover
from asyncq.records import FailedJob
from asyncq.retrying import failed_stores
from asyncq.wiring import Engine

__all__ = ["flush_failed", "forget_failed", "prune_failed"]

HOUR: Final = 3600.0
UNKNOWN: Final = "no failed job has this id; `asyncq failed` lists them"


def forget_failed(asked: str | None, ids: Sequence[str], *, as_json: bool) -> int:
    """Forget failed jobs by id; returns 1 where one of them is none."""
    found = with_engine(asked, lambda engine: _forget(engine, list(dict.fromkeys(ids))))
    if as_json:
        write_json([_row(id, job) for id, job in found.items()])
    for id, job in () if as_json else found.items():
        if job is not None:
            print(id)
        say(f"{id}: {UNKNOWN if job is None else f'{job.name} was forgotten'}")
    return 0 if all(found.values()) else FAILED


async def _forget(engine: Engine, ids: Sequence[str]) -> dict[str, FailedJob | None]:
    found: dict[str, FailedJob | None] = dict.fromkeys(ids)
    for store in failed_stores(engine):
        jobs = await store.get(ids)
        await store.remove([job.id for job in jobs])
        found.update((job.id, job) for job in jobs)
    return found


def _row(id: str, job: FailedJob | None) -> Row:
    status = "unknown" if job is None else "forgotten"
    return {"id": id, "status": status, "job": job and job.name, "queue": job and job.queue}


def flush_failed(asked: str | None, hours: float, *, force: bool, as_json: bool) -> int:
    """Forget all failed jobs, or those that failed more than so many hours ago; returns 1 after a no."""
    check_that_we_may_ask(force=force)
    found = discover(asked, jobs=False)
    question = "" if force else _question(in_engine(found, _total), hours)
    if not confirmed(question, force=force):
        say("nothing was forgotten")
        return FAILED
    _tell(in_engine(found, lambda engine: _prune(engine, hours)), as_json=as_json)
    return 0


def _question(total: int, hours: float) -> str:
    if not hours:
        return f"Forget all of {counted(total, 'failed job')}?"
    return f"Forget those of {counted(total, 'failed job')} that failed more than {hours:g} h ago?"


def prune_failed(asked: str | None, hours: float, *, as_json: bool) -> None:
    """Forget the jobs that failed more than so many hours ago; made for a timer, so that nobody is asked."""
    _tell(with_engine(asked, lambda engine: _prune(engine, hours)), as_json=as_json)


async def _total(engine: Engine) -> int:
    return sum([(await store.page(limit=1)).total for store in failed_stores(engine)])


async def _prune(engine: Engine, hours: float) -> int:
    return sum([await store.prune(older=hours * HOUR) for store in failed_stores(engine)])


def _tell(count: int, *, as_json: bool) -> None:
    if as_json:
        write_json({"forgotten": count})
    else:
        say(forgotten(count, "failed job"))
