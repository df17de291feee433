"""`run`: one attempt of one job, without a queue."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar, Unpack, cast, overload

from asyncq.app import AsyncQ
from asyncq.current import apps, likely_host
from asyncq.errors import ConfigError
from asyncq.job import AsyncHandler, BoundJob, Job, Request, SyncHandler
from asyncq.payload import Reservation, reservation_of
from asyncq.plugin import Pending
from asyncq.settings import DispatchOptions
from asyncq.testing.bench import Bench
from asyncq.testing.outcome import RunOutcome
from asyncq.testing.understudy import Choice, Understudy

__all__ = ["run"]

R = TypeVar("R")


@overload
async def run(
    job: BoundJob[R],
    /,
    *,
    attempt: int = ...,
    exceptions: int = ...,
    crashes: int = ...,
    app: AsyncQ | None = ...,
    **options: Unpack[DispatchOptions],
) -> RunOutcome[R]: ...
@overload
async def run(
    job: AsyncHandler[R],
    /,
    *,
    attempt: int = ...,
    exceptions: int = ...,
    crashes: int = ...,
    app: AsyncQ | None = ...,
    **options: Unpack[DispatchOptions],
) -> RunOutcome[R]: ...
@overload
async def run(
    job: SyncHandler[R],
    /,
    *,
    attempt: int = ...,
    exceptions: int = ...,
    crashes: int = ...,
    app: AsyncQ | None = ...,
    **options: Unpack[DispatchOptions],
) -> RunOutcome[R]: ...
async def run(
    job: object,
    /,
    *,
    attempt: int = 1,
    exceptions: int = 0,
    crashes: int = 0,
    app: AsyncQ | None = None,
    **options: Unpack[DispatchOptions],
) -> RunOutcome[Any]:
    """Run one attempt of a job as a worker would, and return how it ended: through the codec, middleware and timeout.

    No queue is involved: what the job dispatches is kept in `dispatched`. `attempt` is the number of the attempt, from
    1, `exceptions` how many of those before raised, `crashes` how often a worker died in it. The options are those of
    a dispatch. `app` is whose middleware and connections count; without it the app that a dispatch would find.

    Raises:
        EncodeError: an argument of the job cannot travel.
    """
    request = job.request(options) if isinstance(job, BoundJob) else Request(_job(job), options)
    if attempt < 1 or exceptions < 0 or crashes < 0:
        raise ConfigError("attempt is 1 or more, exceptions and crashes are 0 or more")
    with _faked() as fake:
        stage = fake.stage(app or cast("AsyncQ", likely_host()))
        engine, before = stage.engine(), len(fake.records)
        pending = engine.pack(request)
        reservation = _reservation(pending, attempt, fake.clock.now())
        try:
            with Bench(engine, pending.connection) as bench:
                outcome = await bench.run(replace(reservation, exceptions=exceptions, crashes=crashes))
        finally:
            await engine.shared.close()
        return replace(outcome, dispatched=tuple(record.job for record in fake.records[before:]))


def _job(given: object) -> Job:
    if not isinstance(given, Job):
        raise TypeError(f"run() takes a job or a bound function job, not {given!r}")
    return given


def _reservation(pending: Pending, attempt: int, now: float) -> Reservation:
    unique = pending.envelope.unique
    reservation = reservation_of(pending.envelope, attempt, now)
    return replace(reservation, unique_key=unique.key if unique else None)


@contextmanager
def _faked() -> Generator[Understudy]:
    """Use the fake that is there and takes all, else one of our own, so that nothing leaves the process."""
    around = [item for item in apps.stand_ins[-1:] if isinstance(item, Understudy) and item.whole]
    if around:
        yield around[0]
        return
    fake = Understudy(Choice())
    fake.enter()
    try:
        yield fake
    finally:
        fake.leave()
