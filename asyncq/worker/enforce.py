"""What the keeper's thread does when the loop can no longer do it: record, hand back, end the process."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from typing import Final

from asyncq.contracts import Keeper
from asyncq.errors import DriverError
from asyncq.payload import Failed, Settlement
from asyncq.run import Run
from asyncq.worker.supervisor import Supervisor

__all__ = ["TIMED_OUT_EXIT", "end_process", "leave"]

TIMED_OUT_EXIT: Final = 1
HOOK_SECONDS: Final = 5.0
_log = logging.getLogger("asyncq.worker")


def end_process(supervisor: Supervisor, keeper: Keeper, culprit: Run | None) -> None:
    """Hand the co-runners back uncounted, record the culprit's timeout under its fence, and end the process."""
    held = [run for run in list(supervisor.desk.held) if run is not culprit]
    settled = [run.settlement or run.handed_back() for run in held]
    _settle(keeper, settled)
    if culprit is not None:
        _log.critical("%s %s holds the loop past its timeout; this process ends", culprit.name, culprit.reservation.id)
        _settle(keeper, [_time_out(supervisor, culprit)])
    else:
        _log.critical("the loop is held past the budget of the shutdown; %d jobs were handed back", len(settled))
    leave(supervisor.stop.code if culprit is None else TIMED_OUT_EXIT)


def _time_out(supervisor: Supervisor, run: Run) -> Settlement:
    outcome = supervisor.executor.timed_out(run)
    if isinstance(outcome, Failed):
        _tell_failed(supervisor, run, outcome.error)
    return supervisor.executor.conclude(run, outcome)


def _tell_failed(supervisor: Supervisor, run: Run, error: BaseException) -> None:
    """Call `failed()` in a loop of its own, in a thread that may be left behind."""
    hook = threading.Thread(target=lambda: asyncio.run(supervisor.executor.tell_failed(run, error)), daemon=True)
    hook.start()
    hook.join(HOOK_SECONDS)
    if hook.is_alive():
        _log.error("failed() of %s %s did not end within %g s", run.name, run.reservation.id, HOOK_SECONDS)


def _settle(keeper: Keeper, settlements: list[Settlement]) -> None:
    try:
        keeper.settle(settlements)
    except DriverError as error:
        _log.critical("%d jobs could not be settled; they come back after their lease: %s", len(settlements), error)


def leave(code: int) -> None:
    """End the process without waiting for threads that hang in handlers."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # whoever read it is gone
    os._exit(code)
