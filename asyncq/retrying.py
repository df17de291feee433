"""Gives failed jobs back to their queues."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from asyncq.errors import DecodeError, NotSupported, UnknownJob
from asyncq.events import JobRetryRequested
from asyncq.payload import Envelope, reservation_of
from asyncq.records import FailedJob
from asyncq.stores import FailedStore
from asyncq.wiring import Engine

__all__ = ["Retried", "failed_stores", "retry_all", "retry_jobs"]

PAGE = 100


@dataclass(frozen=True, slots=True)
class Retried:
    """What became of one id."""

    id: str
    job: FailedJob | None
    """The record; None where no failed job has this id."""
    pushed: bool
    """False where a job of this id is in its queue already; the record is kept then."""


def failed_stores(engine: Engine) -> Sequence[FailedStore]:
    """Return the stores that keep failed jobs, each once."""
    stores = [engine.failed_store(name) for name in engine.drivers]
    return list(dict.fromkeys(store for store in stores if store is not None))


async def retry_jobs(engine: Engine, ids: Sequence[str]) -> Sequence[Retried]:
    """Push the failed jobs of these ids with the same id and no attempts, and forget their records.

    A worker may run at the same time: of a job that has failed again meanwhile the new record stays.

    Raises:
        NotSupported: a job came from a connection that keeps no jobs; its record stays, and so do those after it.
        DriverError: the broker did not take a job; likewise.
    """
    found: dict[str, Retried] = {}
    for store in failed_stores(engine):
        for job in await store.get([id for id in ids if id not in found]):
            found[job.id] = await _retry(engine, store, job)
    return [found.get(id) or Retried(id, None, pushed=False) for id in ids]


async def retry_all(engine: Engine, queue: str | None = None, name: str | None = None) -> AsyncIterator[Retried]:
    """Do the same for every failed job, or for those of one queue or name; jobs that fail meanwhile are left alone."""
    for store in failed_stores(engine):
        for job in await _records(store, queue, name):
            yield await _retry(engine, store, job)


async def _records(store: FailedStore, queue: str | None, name: str | None) -> Sequence[FailedJob]:
    """Read all records before the first is pushed: pages would shift under the removals. Oldest first."""
    jobs: list[FailedJob] = []
    while True:
        page = await store.page(queue=queue, name=name, limit=PAGE, offset=len(jobs))
        jobs += page.items
        if len(page.items) < PAGE:
            return jobs[::-1]


async def _retry(engine: Engine, store: FailedStore, job: FailedJob) -> Retried:
    driver = engine.driver(job.connection)
    if driver.traits.runs_inline or driver.traits.discards:
        what = "runs jobs where they are dispatched" if driver.traits.runs_inline else "forgets every job"
        raise NotSupported(
            f"job {job.id} came from connection {job.connection!r}, which {what}, so that a retry would lose it; "
            "dispatch it again from your program, or give the connection a queue that keeps jobs"
        )
    if engine.setup.listeners.wants(JobRetryRequested):
        await engine.setup.listeners.emit(JobRetryRequested(job.connection, job.queue, job.id, job.name))
    envelope = Envelope(job.id, job.queue, job.name, _body(engine, job), group=job.group, tags=job.tags)
    (pushed,) = await driver.push([envelope])
    if pushed.created:
        if driver.stores.results is not None:
            await driver.stores.results.forget([job.id])  # who waits for it waits for the next end
        await store.remove([job.id], until=job.failed_at)
    return Retried(job.id, job, pushed.created)


def _body(engine: Engine, job: FailedJob) -> bytes:
    """Return the body with as much time until `retry_until` as the job had when it was dispatched."""
    plain = Envelope(job.id, job.queue, job.name, job.body)
    try:
        payload = engine.codec.open(reservation_of(plain, 1))
    except (DecodeError, UnknownJob):
        return job.body  # kept as it came, for a worker that can read it
    until = payload.settings.get("retry_until")
    if until is None:
        return job.body
    now = engine.setup.clock.now()
    span = until - payload.dispatched_at
    shifted = replace(payload, dispatched_at=now, settings={**payload.settings, "retry_until": now + span})
    return engine.codec.body(shifted)
