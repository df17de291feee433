"""A worker in a loop of the user's: it touches no signal and no logging configuration."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio

from asyncq.concurrency import stack_of
from asyncq.contracts import Keeper
from asyncq.current import apps
from asyncq.errors import HandlerStuck
from asyncq.run import Run
from asyncq.worker.options import WorkerOptions
from asyncq.worker.supervisor import Supervisor

if TYPE_CHECKING:
    from asyncq.app import AsyncQ

__all__ = ["embedded_worker"]

SETTLE_SLACK = 2.0
"""Seconds beyond the shutdown's budget for the last settlement to be confirmed."""
MOMENT = 0.5
"""Seconds in which a thread that was given up, and just ended, may say so."""
_log = logging.getLogger("asyncq.worker")


@asynccontextmanager
async def embedded_worker(app: AsyncQ, options: WorkerOptions) -> AsyncGenerator[None]:
    """Work while the block lasts; leaving it drains the worker within `grace` and the time to hand back.

    Where a fake takes all jobs there is nothing to work on: it runs them when the test says so. The worker's tasks are
    outside the caller's task group and cancel scopes: what ends the caller must not tear the settlements of running
    jobs.

    Raises:
        ConfigError: the worker cannot work as it is told.
        HandlerStuck: a handler did not end within the budget; its stack is in the log.
    """
    if apps.whole_stand_in() is not None:
        yield
        return
    supervisor = Supervisor(await app.own_engine(), options, warn, beside=True)
    task = asyncio.get_running_loop().create_task(supervisor.run(), name=f"asyncq-worker-{options.name}")
    task.add_done_callback(_tell_broken)
    error: BaseException | None = None
    problem: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        supervisor.stop.request("exit")
        with anyio.CancelScope(shield=True):
            problem = await _drained(supervisor, task)
        if problem is not None and error is None:
            raise problem  # else what ended the block, a cancellation perhaps, is what the caller must hear


def _tell_broken(task: asyncio.Task[None]) -> None:
    """Say at once that the worker is gone; its block may last as long as the host."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("%s ended by an error; nothing is worked on here any more", task.get_name(), exc_info=error)


async def _drained(supervisor: Supervisor, task: asyncio.Task[None]) -> BaseException | None:
    budget = supervisor.stop.end_at - time.monotonic() + SETTLE_SLACK
    done, _ = await asyncio.wait([task], timeout=max(0.0, budget))
    if not done:
        task.cancel()
        await asyncio.wait([task], timeout=SETTLE_SLACK)
    with anyio.move_on_after(MOMENT):
        while supervisor.abandoned_threads:  # noqa: ASYNC110 - a thread that ends has no event for those who gave it up
            await anyio.sleep(0.01)
    stuck = [run for run in supervisor.desk.stuck if run.task is not None and not run.task.done()]
    if stuck or supervisor.abandoned_threads:
        return HandlerStuck(_told(stuck, supervisor.abandoned_threads))
    return task.exception() if done and not task.cancelled() else None


def _told(stuck: list[Run], threads: int) -> str:
    for run in stuck:
        if run.task is not None:
            _log.error("%s %s is stuck here:\n%s", run.name, run.reservation.id, stack_of(run.task))
    names = [f"{run.name} {run.reservation.id}" for run in stuck]
    if threads:
        names.append(f"{threads} handler{'s' if threads > 1 else ''} in threads, which cannot be ended,")
    return f"{' and '.join(names)} did not end within the budget of the shutdown; settled, but still in this process"


def warn(supervisor: Supervisor, keeper: Keeper, culprit: Run | None) -> None:
    """Say that a job holds the loop for good. A host's process is not ours to end."""
    who = f"{culprit.name} {culprit.reservation.id}" if culprit else "a handler"
    _log.critical(
        "%s holds the event loop past its timeout, and an embedded worker cannot end it; its lease is kept, and so are "
        "those of the %d jobs beside it. Run `asyncq work` to have such a process replaced",
        who,
        max(0, len(supervisor.desk.held) - 1),
    )
