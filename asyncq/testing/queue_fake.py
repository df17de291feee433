"""`fake()`: a queue that keeps what is dispatched, for tests to look at and to run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar, overload

from asyncq.clock import Seconds
from asyncq.function import JobFunction
from asyncq.job import Job
from asyncq.testing.matching import Wanted, Which, describe_all, job_class
from asyncq.testing.outcome import RunOutcome
from asyncq.testing.play import MOST, play
from asyncq.testing.record import Dispatched
from asyncq.testing.turnable_clock import TurnableClock
from asyncq.testing.understudy import Choice, Understudy

__all__ = ["QueueFake", "fake"]

J = TypeVar("J", bound=Job)
P = ParamSpec("P")
R = TypeVar("R")


class QueueFake:
    """What was dispatched within a `fake()` block.

    Jobs are those that a worker would see: after the round trip through the codec. Where a job is named, a class stands
    for its subclasses too, and a function made by `@job` for itself.
    """

    def __init__(self, choice: Choice) -> None:
        self._understudy = Understudy(choice)

    def __repr__(self) -> str:
        return f"<fake queue, {len(self.dispatched)} jobs dispatched>"

    def __enter__(self) -> Self:
        self._understudy.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._understudy.leave()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._understudy.leave()

    @property
    def clock(self) -> TurnableClock:
        """The time of the fake's queues: the clock of the test, where there is one, else one of its own."""
        return self._understudy.clock

    @property
    def records(self) -> Sequence[Dispatched[Job]]:
        """All dispatches in their order, with what was said at each; also of jobs that were to run without a queue."""
        return tuple(self._understudy.records)

    @property
    def dispatched(self) -> list[Job]:
        """The jobs that were given to a queue, in their order."""
        return [record.job for record in self.records if record.way == "queue"]

    @property
    def dispatched_sync(self) -> list[Job]:
        """The jobs that were to run here and now; they did not run."""
        return [record.job for record in self.records if record.way == "sync"]

    @property
    def dispatched_after_response(self) -> list[Job]:
        """The jobs that were to run when a response has gone out; they did not run."""
        return [record.job for record in self.records if record.way == "after_response"]

    @overload
    def of(self, job: type[J], /) -> list[J]: ...
    @overload
    def of(self, job: JobFunction[..., Any], /) -> list[Job]: ...
    def of(self, job: Which, /) -> list[Any]:
        """Return the jobs of one kind that were given to a queue."""
        return [record.job for record in Wanted(job_class(job)).among(self.records)]

    @overload
    def records_of(self, job: type[J], /) -> list[Dispatched[J]]: ...
    @overload
    def records_of(self, job: JobFunction[..., Any], /) -> list[Dispatched[Job]]: ...
    def records_of(self, job: Which, /) -> list[Any]:
        """Return the dispatches of one kind, with what was said at each."""
        return list(Wanted(job_class(job)).among(self.records))

    @overload
    def assert_dispatched(
        self,
        job: type[J],
        where: Callable[[J], bool] | None = None,
        *,
        times: int | None = None,
        queue: str | None = None,
        connection: str | None = None,
        delay: Seconds | None = None,
    ) -> list[J]: ...
    @overload
    def assert_dispatched(
        self,
        job: JobFunction[..., Any],
        where: Callable[..., bool] | None = None,
        *,
        times: int | None = None,
        queue: str | None = None,
        connection: str | None = None,
        delay: Seconds | None = None,
    ) -> list[Job]: ...
    def assert_dispatched(
        self,
        job: Any,
        where: Callable[..., bool] | None = None,
        *,
        times: int | None = None,
        queue: str | None = None,
        connection: str | None = None,
        delay: Seconds | None = None,
    ) -> list[Any]:
        """Assert that the job was given to a queue, at least once or exactly `times`; returns those that are meant.

        `where` is asked about each: with the job, or for a function with its arguments. `delay` is in seconds from the
        dispatch.
        """
        __tracebackhide__ = True
        return self._assert(Wanted(job_class(job), where, queue, connection, delay), times)

    def assert_dispatched_fn(self, job: JobFunction[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> None:
        """Assert that a function was dispatched with exactly these arguments."""
        __tracebackhide__ = True
        expected = job.bind(*args, **kwargs).job
        kin = Wanted(job_class(job)).among(self.records)
        if not any(record.job == expected for record in kin):
            raise AssertionError(f"{expected!r} was not dispatched; {describe_all(kin or self.records)}")

    @overload
    def assert_not_dispatched(
        self, job: type[J], where: Callable[[J], bool] | None = None, *, queue: str | None = None
    ) -> None: ...
    @overload
    def assert_not_dispatched(
        self, job: JobFunction[..., Any], where: Callable[..., bool] | None = None, *, queue: str | None = None
    ) -> None: ...
    def assert_not_dispatched(
        self, job: Any, where: Callable[..., bool] | None = None, *, queue: str | None = None
    ) -> None:
        """Assert that no such job was given to a queue."""
        __tracebackhide__ = True
        self._assert(Wanted(job_class(job), where, queue), 0)

    def assert_nothing_dispatched(self) -> None:
        """Assert that no job was dispatched: to a queue, to run here and now, or to run after a response."""
        __tracebackhide__ = True
        if self.records:
            raise AssertionError(f"no job was to be dispatched, but {describe_all(self.records)}")

    def assert_count(self, count: int, job: Which | None = None) -> None:
        """Assert how many jobs were given to queues: of one kind, or of all."""
        __tracebackhide__ = True
        found = [record for record in self.records if record.way == "queue"]
        if job is not None:
            self._assert(Wanted(job_class(job)), count)
        elif len(found) != count:
            raise AssertionError(f"{len(found)} jobs were dispatched, not {count}; {describe_all(found)}")

    @overload
    def assert_dispatched_sync(
        self, job: type[J], where: Callable[[J], bool] | None = None, *, times: int | None = None
    ) -> list[J]: ...
    @overload
    def assert_dispatched_sync(
        self, job: JobFunction[..., Any], where: Callable[..., bool] | None = None, *, times: int | None = None
    ) -> list[Job]: ...
    def assert_dispatched_sync(
        self, job: Any, where: Callable[..., bool] | None = None, *, times: int | None = None
    ) -> list[Any]:
        """Assert that the job was to run here and now; it did not run, see `answer`."""
        __tracebackhide__ = True
        return self._assert(Wanted(job_class(job), where, way="sync"), times)

    @overload
    def assert_not_dispatched_sync(self, job: type[J], where: Callable[[J], bool] | None = None) -> None: ...
    @overload
    def assert_not_dispatched_sync(
        self, job: JobFunction[..., Any], where: Callable[..., bool] | None = None
    ) -> None: ...
    def assert_not_dispatched_sync(self, job: Any, where: Callable[..., bool] | None = None) -> None:
        """Assert that no such job was to run here and now."""
        __tracebackhide__ = True
        self._assert(Wanted(job_class(job), where, way="sync"), 0)

    @overload
    def assert_dispatched_after_response(
        self, job: type[J], where: Callable[[J], bool] | None = None, *, times: int | None = None
    ) -> list[J]: ...
    @overload
    def assert_dispatched_after_response(
        self, job: JobFunction[..., Any], where: Callable[..., bool] | None = None, *, times: int | None = None
    ) -> list[Job]: ...
    def assert_dispatched_after_response(
        self, job: Any, where: Callable[..., bool] | None = None, *, times: int | None = None
    ) -> list[Any]:
        """Assert that the job was to run when a response has gone out; it did not run."""
        __tracebackhide__ = True
        return self._assert(Wanted(job_class(job), where, way="after_response"), times)

    @overload
    def assert_not_dispatched_after_response(self, job: type[J], where: Callable[[J], bool] | None = None) -> None: ...
    @overload
    def assert_not_dispatched_after_response(
        self, job: JobFunction[..., Any], where: Callable[..., bool] | None = None
    ) -> None: ...
    def assert_not_dispatched_after_response(self, job: Any, where: Callable[..., bool] | None = None) -> None:
        """Assert that no such job was to run when a response has gone out."""
        __tracebackhide__ = True
        self._assert(Wanted(job_class(job), where, way="after_response"), 0)

    def answer(self, job: Which, value: Any, /) -> None:
        """Let `dispatch_sync` of such jobs return this; they are kept and not run. Without it they return None."""
        self._understudy.answers[job_class(job)] = value

    async def run(self, *queues: str, within: Seconds = 0, limit: int = MOST) -> Sequence[RunOutcome[Any]]:
        """Run what was dispatched and is due, in this loop, one job after another; answers how each run ended.

        Through middleware, timeouts and retries, as a worker does. What these jobs dispatch is run too. A job that is
        released is due when the clock was turned so far; `within` turns it: from one due job to the next, and in the
        end by all of it. `limit` is how many runs are taken for a loop without end. What dependencies of the scope
        `app` made lasts for this call.

        Raises:
            AssertionError: the limit was reached.
        """
        engines = [stage.engine() for stage in self._understudy.stages]
        try:
            return await play(engines, queues, self.clock, within=within, limit=limit)
        finally:
            for engine in engines:
                await engine.shared.close()

    def _assert(self, wanted: Wanted, times: int | None) -> list[Any]:
        __tracebackhide__ = True
        found = wanted.among(self.records)
        if not found and times != 0:
            raise AssertionError(wanted.missing(self.records))
        if times is not None and len(found) != times:
            raise AssertionError(wanted.too_many(found, times))
        return [record.job for record in found]


def fake(*only: Which, except_: Sequence[Which] = ()) -> QueueFake:
    """Keep what is dispatched, in place of every app: `async with asyncq.fake() as queue: …`; `with` does too.

    Nothing leaves the process, no driver is opened, and no job runs before `queue.run()` says so. Every job makes the
    round trip through the codec, so that what cannot travel fails here. With job classes or functions only these are
    kept, and all others go on to their app; `except_` lets some go on.

    Raises:
        TypeError: something else than a job class or a job function was named.
    """
    return QueueFake(Choice(tuple(map(job_class, only)), tuple(map(job_class, except_))))
