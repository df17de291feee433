"""All that is known of one job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, cast

from asyncq.cli.failures import NotFound
from asyncq.cli.listing import failed_row
from asyncq.cli.output import when, write_pairs
from asyncq.cli.paging import waiting_row
from asyncq.cli.session import with_engine
from asyncq.contracts import Findable
from asyncq.errors import DecodeError, UnknownJob
from asyncq.job import Job
from asyncq.payload import Envelope, Payload, reservation_of
from asyncq.records import FailedJob, WaitingJob
from asyncq.retrying import failed_stores
from asyncq.shape import fields_of
from asyncq.wiring import Engine

__all__ = ["show_job"]

HIDDEN: Final = "(redacted)"


def show_job(asked: str | None, id: str, *, raw: bool, as_json: bool) -> None:
    """Show a waiting or a failed job; `raw` shows the values of redacted fields too."""
    facts = with_engine(asked, lambda engine: _facts(engine, id, raw=raw), jobs=True)
    write_pairs(facts, as_json=as_json)


async def _facts(engine: Engine, id: str, *, raw: bool) -> Mapping[str, Any]:
    """Look where the job waits first: one that was retried by hand may have a record too.

    Raises:
        NotFound: no job has this id.
    """
    for name, driver in engine.drivers.items():
        waiting = (await driver.find([id])).get(id) if isinstance(driver, Findable) else None
        if waiting is not None:
            return {**_waiting(waiting, name), **_inside(engine, waiting, raw=raw)}
    for store in failed_stores(engine):
        for job in await store.get([id]):
            return {**_failed(job), **_inside(engine, job, raw=raw), "traceback": job.traceback}
    raise NotFound(
        f"no job has the id {id!r}: it never was, was done, or was forgotten; `asyncq failed` lists what failed"
    )


def _waiting(job: WaitingJob, connection: str) -> dict[str, Any]:
    row = waiting_row(job, connection)
    return {key: row[key] for key in ("id", "job", "state")} | dict(row)


def _failed(job: FailedJob) -> dict[str, Any]:
    row = failed_row(job)
    return {"id": row.pop("id"), "job": row.pop("job"), "state": "failed", **row}


def _inside(engine: Engine, job: FailedJob | WaitingJob, *, raw: bool) -> dict[str, Any]:
    """Return what the body says, as far as it can be read."""
    try:
        payload = engine.codec.open(reservation_of(Envelope(job.id, job.queue, job.name, job.body), 1))
    except (DecodeError, UnknownJob) as error:
        return {"body": f"{len(job.body)} bytes that this asyncq cannot read: {error}"}
    return {
        "dispatched_at": when(payload.dispatched_at),
        "settings": dict(payload.settings),
        "batch": payload.batch,
        "chain": payload.chain,
        "arguments": _arguments(payload, engine.setup.registry.load().get(payload.name), raw=raw),
    }


def _arguments(payload: Payload, cls: type[Job] | None, *, raw: bool) -> Any:
    """Return the arguments without those that their class redacts; only the class knows which they are."""
    try:
        values: Any = json.loads(payload.arguments)
    except ValueError:
        return f"{len(payload.arguments)} bytes that are no JSON"
    if raw or not isinstance(values, dict):
        return values if raw else HIDDEN
    given = cast("dict[str, Any]", values)
    if cls is None:
        return dict.fromkeys(given, "(hidden: no imported job has this name; --raw shows it)")
    secret = {item.name for item in fields_of(cls) if not item.repr}
    return {key: HIDDEN if key in secret else value for key, value in given.items()}
