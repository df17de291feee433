"""Retries failed jobs, and says what became of each."""

from __future__ import annotations

from collections.abc import Sequence

from asyncq.cli.failures import FAILED, UsageError
from asyncq.cli.listing import has_to_know_jobs, name_in_full
from asyncq.cli.output import say, write_json
from asyncq.cli.session import with_engine
from asyncq.retrying import Retried, retry_all, retry_jobs
from asyncq.wiring import Engine

__all__ = ["retry_failed"]


def retry_failed(asked: str | None, ids: Sequence[str], queue: str | None, name: str | None, *, as_json: bool) -> int:
    """Retry jobs by id, all of them, or those of one queue or name; returns 1 where one could not be retried."""
    filtered = queue is not None or name is not None
    everything = list(ids) == ["all"] or (not ids and filtered)
    if not ids and not filtered:
        raise UsageError("say what to retry: ids, `all`, --queue NAME or --name JOB; `asyncq failed` lists the ids")
    if not everything and (filtered or "all" in ids):
        raise UsageError("retry takes ids, or all of them (`all`, --queue NAME, --name JOB), not both")
    chosen = None if everything else ids

    async def retry(engine: Engine) -> Sequence[Retried]:
        return await _retry(engine, chosen, queue, name_in_full(engine, name), quiet=as_json)

    done = with_engine(asked, retry, jobs=has_to_know_jobs(name))
    if as_json:
        write_json([_row(item) for item in done])
    elif not done:
        say("no failed jobs")
    return 0 if all(item.pushed for item in done) else FAILED


async def _retry(
    engine: Engine, ids: Sequence[str] | None, queue: str | None, name: str | None, *, quiet: bool
) -> Sequence[Retried]:
    if ids is not None:
        answers = await retry_jobs(engine, list(dict.fromkeys(ids)))
        for item in () if quiet else answers:
            _tell(item)
        return answers
    done: list[Retried] = []
    async for item in retry_all(engine, queue, name):
        done.append(item)
        if not quiet:
            _tell(item)
    return done


def _tell(item: Retried) -> None:
    if item.job is None:
        say(f"{item.id}: no failed job has this id; `asyncq failed` lists them")
    elif not item.pushed:
        say(f"{item.id}: a job of this id is in its queue already; the failed record is kept")
    else:
        print(item.id)
        say(f"{item.id}: {item.job.name} is back in queue {item.job.queue} of {item.job.connection}")


def _row(item: Retried) -> dict[str, object]:
    job = item.job
    status = "unknown" if job is None else "retried" if item.pushed else "waiting already"
    return {"id": item.id, "status": status, "job": job and job.name, "queue": job and job.queue}
