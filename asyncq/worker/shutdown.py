"""The end of a worker, step by step: no new jobs, the grace, cancelling, handing back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

import anyio

from asyncq.executor import Executor, call_hook
from asyncq.job import Job
from asyncq.run import Run
from asyncq.worker.deadlines import Deadlines
from asyncq.worker.desk import Desk
from asyncq.worker.stop import Stop

__all__ = ["Shutdown"]

_log = logging.getLogger("asyncq.worker")


class Shutdown:
    """Waits for a stop, then empties the desk within the budget."""

    def __init__(self, stop: Stop, desk: Desk, deadlines: Deadlines, executor: Executor) -> None:
        self._stop = stop
        self._desk = desk
        self._deadlines = deadlines
        self._executor = executor

    async def run(self) -> None:
        """Return when nothing runs any more; what would not end has been handed back."""
        await self._stop.event.wait()
        self._executor.stopping.set()
        self._desk.hand_back_waiting()
        self._desk.bell.set()
        await self._tell_running()
        self._cancel([run for run in self._desk.running if self._wants_release(run)])
        await self._until(lambda: self._stop.cancel_at)
        self._cancel(list(self._desk.running))
        await self._until(lambda: self._stop.end_at)
        self._hand_back_running()

    def _wants_release(self, run: Run) -> bool:
        return run.recipe is not None and run.recipe.settings.on_shutdown == "release"

    async def _tell_running(self) -> None:
        """Call `interrupted` of the running jobs that have it, together, for at most a second."""
        told = [run for run in self._desk.running if run.ctx and type(run.ctx.job).interrupted is not Job.interrupted]
        with anyio.move_on_after(1.0):
            async with anyio.create_task_group() as group:
                for run in told:
                    group.start_soon(self._tell, run)

    async def _tell(self, run: Run) -> None:
        try:
            if run.ctx is not None:
                await call_hook(run.ctx.job.interrupted, self._stop.reason)
        except asyncio.CancelledError:
            raise
        except BaseException:  # whatever the user's code raises, also SystemExit
            _log.exception("interrupted() of %s %s failed", run.name, run.reservation.id)

    def _cancel(self, runs: list[Run]) -> None:
        for run in runs:
            self._deadlines.cancel(run, "shutdown")

    async def _until(self, instant: Callable[[], float]) -> None:
        """Wait until nothing runs, or until the instant, which a second request may bring nearer."""
        while self._desk.running and (left := instant() - time.monotonic()) > 0:  # noqa: ASYNC110  # the instant moves
            await anyio.sleep(min(left, 0.02))

    def _hand_back_running(self) -> None:
        """Give up on handlers that do not end: a thread, or one that is deaf; the process ends with them."""
        for run in list(self._desk.running):
            _log.warning("%s %s did not end in time; it is handed back", run.name, run.reservation.id)
            run.cancel("shutdown")
            self._desk.stuck.add(run)
            self._desk.hand_back(run)
