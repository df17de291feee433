"""`run_in="process"`: a handler in a process of its own, which a timeout can kill."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

import anyio

from asyncq.context import JobContext
from asyncq.errors import JobError
from asyncq.function import JobFunction
from asyncq.inject import Plan, Step, plan_of
from asyncq.injector import Injector
from asyncq.job import Job
from asyncq.payload import Payload, Reservation
from asyncq.retry import describe, trace_of
from asyncq.run import Run
from asyncq.shapes import make_shape
from asyncq.supply import Opened, OpenedHere, Shared, Values, arguments_of

__all__ = ["Isolation"]


@dataclass(frozen=True, slots=True)
class _Order:
    """What travels to the process: the arguments as the broker gave them, and where the class is."""

    path: tuple[str, ...]
    module: str
    qualname: str
    payload: Payload
    reservation: Reservation
    connection: str


class Isolation:
    """At most `size` processes; idle ones are used again."""

    def __init__(self, size: int) -> None:
        self._limiter = anyio.CapacityLimiter(size)

    async def run(self, ctx: JobContext, started: Callable[[], None]) -> Any:
        """Run the job's handler in a process; cancelling this kills the process."""
        from anyio import to_process  # here, since few workers have such handlers, and it brings 2 MB of modules

        cls = type(ctx.job)
        order = _Order(tuple(sys.path), cls.__module__, cls.__qualname__, ctx.payload, ctx.reservation, ctx.connection)
        async with self._limiter:
            started()
            error, value = await to_process.run_sync(_serve, order, cancellable=True, limiter=anyio.CapacityLimiter(1))
        if error is not None:
            raise error
        return value


def _serve(order: _Order) -> tuple[BaseException | None, Any]:
    """Run in the child: find the class, decode, handle; whatever happens is an answer that can travel."""
    sys.stdout = sys.stderr  # the real one carries the answers
    try:
        sys.path[:] = order.path
        value = _handle(order)
        return None, _portable(value)
    except BaseException as error:
        return _portable_error(error), None


def _handle(order: _Order) -> Any:
    cls = _find(order)
    job = make_shape(cls).decode(order.payload)
    ctx = JobContext(
        job,
        order.payload,
        order.reservation,
        connection=order.connection,
        stopping=anyio.Event(),
        run=Run(order.reservation),
    )
    plan = plan_of(cls, Injector())
    before = plan.of_the_loop()
    if before:
        return anyio.run(_after, before, plan, ctx)
    return _called(plan, plan.steps, ctx, {})


async def _after(before: Sequence[Step], plan: Plan, ctx: JobContext) -> Any:
    """Make first what needs a loop; it has nothing else to do, so that the handler may block it."""
    shared = Shared()
    try:
        async with Opened(before, ctx, shared, Injector()) as opened:
            return _called(plan, [step for step in plan.steps if step not in before], ctx, opened.values)
    finally:
        await shared.close()


def _called(plan: Plan, steps: Sequence[Step], ctx: JobContext, values: Values) -> Any:
    with OpenedHere(steps, ctx, values) as made:
        return ctx.job.handle(**arguments_of(plan.arguments, ctx, made))


def _find(order: _Order) -> type[Job]:
    place: Any = import_module(order.module)
    for part in order.qualname.split("."):
        place = getattr(place, part)
    return cast("type[Job]", place.job_type if isinstance(place, JobFunction) else place)


def _portable(value: Any) -> Any:
    import pickle  # here and below, since only the child needs it

    pickle.dumps(value)  # an answer that cannot travel is an error here, where it can be named
    return value


def _portable_error(error: BaseException) -> BaseException:
    """Make an error travel; its traceback stays here, so its text goes along as a note."""
    import pickle

    error.add_note(f"Where it happened:\n{trace_of(error)}")
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # what was written a moment ago, here
    except Exception:
        return JobError(f"{describe(error)}\n{trace_of(error)}")
    return error
