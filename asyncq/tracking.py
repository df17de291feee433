"""What became of a job, for those who hold its handle: status, result, progress; and cancelling it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

import anyio
import orjson

from asyncq.contracts import Driver, Findable
from asyncq.errors import JobCancelled, JobFailure, NotSupported, ResultNotKept
from asyncq.events import JobCancelled as JobCancelledEvent
from asyncq.handle import JobHandle, JobProgress, JobStatus
from asyncq.ids import new_id
from asyncq.marks import CANCEL_LIFE, cancel_name, cancels_name
from asyncq.progress import progress_name, read_progress
from asyncq.records import StoredResult, WaitingJob
from asyncq.stores import Changes, ResultStore, SignalStore, Telling
from asyncq.verdict import CANCELLED_LIFE, NOTHING, Verdict, read_verdict
from asyncq.wiring import Engine

__all__ = ["Tracker"]

LOOK_AGAIN: Final = 5.0
"""Seconds after which someone who waits for a result looks whether its job still exists."""
PERIOD: Final = 0.5
"""Seconds between looks of someone who watches a job."""
_ENDS: Final = frozenset({"done", "failed", "cancelled"})


class Tracker:
    """Answers for the jobs of one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def status(self, handle: JobHandle[Any]) -> JobStatus:
        """Return where the job is in its life.

        Raises:
            ResultNotKept: nothing is known of an id that was not dispatched through this handle.
        """
        found = await self._stored(handle) or await self._ended(handle) or await self._stored(handle)
        if found is None and not handle.queue:
            raise ResultNotKept(
                f"nothing is known of job {handle.id!r} on connection {handle.connection!r}: it never was, or it was "
                "done and is forgotten; set keep_result on its class to have its end remembered"
            )
        return found or "done"

    async def _stored(self, handle: JobHandle[Any]) -> JobStatus | None:
        waiting = await self._find(handle)
        if waiting is None:
            return None
        return "running" if waiting.state == "reserved" else "queued"

    async def _ended(self, handle: JobHandle[Any]) -> JobStatus | None:
        verdict = await self._verdict(handle)
        if verdict is not None:
            return verdict.status
        return None if await self._failure(handle) is None else "failed"

    async def result(self, handle: JobHandle[Any], timeout: float | None) -> Any:
        """Return what the handler returned, as soon as it has.

        Raises:
            ResultNotKept: nobody keeps it, or not any more.
            JobFailure: the job failed for good.
            JobCancelled: it was cancelled.
            TimeoutError: the job did not end in time.
        """
        store, ends_at = self._results(handle), time.monotonic() + (float("inf") if timeout is None else timeout)
        found = await store.get(handle.id)
        while found is None:
            left = ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"job {handle.id} did not end within {timeout:g} s")
            gone = await self._find(handle) is None
            if gone and (await store.get(handle.id) or await self._relayed(handle, store, left)) is None:
                await self._refuse_forgotten(handle)
            found = await store.wait(handle.id, timeout=min(left, LOOK_AGAIN))
        return self._value(handle, read_verdict(found.body))

    async def _relayed(self, handle: JobHandle[Any], store: ResultStore, left: float) -> StoredResult | None:
        """Wait a while for a result that comes after its job has gone, where the two are not one step."""
        if self._driver(handle).traits.atomic_effects:
            return None
        return await store.wait(handle.id, timeout=min(left, LOOK_AGAIN))

    def _results(self, handle: JobHandle[Any]) -> ResultStore:
        cls = handle.job_type
        if cls is not None and not cls.settings_.keep_result:
            raise ResultNotKept(
                f"the results of {cls.__qualname__} are not kept; write keep_result=60 (seconds) on its class"
            )
        store = self._driver(handle).stores.results
        if store is None:
            raise NotSupported(f"connection {handle.connection!r} keeps no results; dispatch to one that does")
        return store

    async def _refuse_forgotten(self, handle: JobHandle[Any]) -> None:
        error = await self._failure(handle)
        if error is not None:
            raise JobFailure(f"job {handle.id} failed: {error}")
        raise ResultNotKept(
            f"job {handle.id} is neither waiting nor running, and its result is not kept: keep_result of its class is "
            "0 or over, its queue was cleared, or it never was"
        )

    def _value(self, handle: JobHandle[Any], verdict: Verdict) -> Any:
        if verdict.status == "failed":
            raise JobFailure(f"job {handle.id} failed: {verdict.reason}")
        if verdict.status == "cancelled":
            raise JobCancelled(f"job {handle.id} was cancelled ({verdict.reason})", reason=verdict.reason)
        if verdict.reason is not None:
            raise ResultNotKept(f"job {handle.id} is done, but {verdict.reason}")
        if verdict.value == NOTHING:
            return None
        if handle.job_type is not None:
            return self._engine.codec.answer(handle.job_type).decode(verdict.value)
        return orjson.loads(verdict.value)["value"]

    async def cancel(self, handle: JobHandle[Any]) -> bool:
        """Forget the job if it waits, or tell its worker to cancel it; False where it has ended already.

        Raises:
            NotSupported: the connection cannot look up jobs, or has no signals to reach a worker with.
        """
        driver, signals = self._driver(handle), self._signals(handle)
        if not isinstance(driver, Findable) and (driver.traits.runs_inline or driver.traits.discards):
            return False  # what was dispatched there is over
        if not isinstance(driver, Findable) or signals is None:
            raise NotSupported(f"connection {handle.connection!r} cannot cancel jobs: it finds none by their id")
        while (job := await self._find(handle)) is not None:
            if job.state != "reserved":
                if await driver.cancel([handle.id]):
                    await self._note_cancelled(handle, job)
                    return True
                continue  # a worker took it in this moment
            if driver.traits.runs_inline:
                return bool(await driver.cancel([handle.id]))  # it runs in this process
            await self._tell_workers(handle, signals)
            if await self._find(handle) is not None:
                return True
            await signals.forget([cancel_name(handle.connection, handle.id)])
        verdict = await self._verdict(handle)
        return verdict is not None and verdict.status == "cancelled"

    async def _tell_workers(self, handle: JobHandle[Any], signals: SignalStore) -> None:
        await signals.put(cancel_name(handle.connection, handle.id), b"user", ttl=CANCEL_LIFE)
        await signals.put(cancels_name(handle.connection), new_id().encode(), ttl=CANCEL_LIFE)

    async def _note_cancelled(self, handle: JobHandle[Any], job: WaitingJob) -> None:
        store = self._driver(handle).stores.results
        if store is not None:
            await store.put(StoredResult(job.id, Verdict("cancelled", reason="user").pack(), CANCELLED_LIFE))
        listeners = self._engine.setup.listeners
        if listeners.wants(JobCancelledEvent):
            facts = (handle.connection, job.queue, job.id, job.name, job.attempts)
            await listeners.emit(JobCancelledEvent(*facts, reason="user"))

    async def watch(self, handle: JobHandle[Any]) -> AsyncGenerator[JobProgress]:
        """Yield how far the job is, at once and after each change, until it has ended."""
        before: JobProgress | None = None
        async with self._news(handle) as news:
            while True:
                now = await self._snapshot(handle)
                if now != before:
                    yield now
                if now.status in _ENDS:
                    return
                before = now
                await news.wait(PERIOD)

    async def _snapshot(self, handle: JobHandle[Any]) -> JobProgress:
        status, signals = await self.status(handle), self._signals(handle)
        name = progress_name(handle.connection, handle.id)
        flag = None if signals is None else (await signals.get([name])).get(name)
        return JobProgress(status, *(read_progress(flag.value) if flag is not None else (0, 0)))

    def _news(self, handle: JobHandle[Any]) -> AbstractAsyncContextManager[Changes]:
        signals = self._signals(handle)
        if signals is None or not isinstance(signals, Telling):
            return nullcontext(_Pauses())
        return signals.changes([progress_name(handle.connection, handle.id)])

    def _driver(self, handle: JobHandle[Any]) -> Driver:
        return self._engine.driver(handle.connection)

    def _signals(self, handle: JobHandle[Any]) -> SignalStore | None:
        return self._driver(handle).stores.signals

    async def _find(self, handle: JobHandle[Any]) -> WaitingJob | None:
        driver = self._driver(handle)
        return (await driver.find([handle.id])).get(handle.id) if isinstance(driver, Findable) else None

    async def _verdict(self, handle: JobHandle[Any]) -> Verdict | None:
        store = self._driver(handle).stores.results
        found = None if store is None else await store.get(handle.id)
        return None if found is None else read_verdict(found.body)

    async def _failure(self, handle: JobHandle[Any]) -> str | None:
        store = self._engine.failed_store(handle.connection)
        if store is None:
            return None
        return next((record.error for record in await store.get([handle.id])), None)


class _Pauses:
    """Of a store that tells nothing: something may have changed after each pause."""

    async def wait(self, seconds: float, /) -> str | None:
        """Return after the pause."""
        await anyio.sleep(seconds)
        return None
