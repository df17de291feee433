"""Settles what a killed predecessor held, from its ledger: its culprit timed out, the others are handed back."""

from __future__ import annotations

import logging

from asyncq.errors import DriverError
from asyncq.payload import Failed, Released, Settlement
from asyncq.run import Run
from asyncq.worker.ledger import Entry, overdue, read_entries
from asyncq.worker.supervisor import Supervisor

__all__ = ["settle_predecessor"]

_log = logging.getLogger("asyncq.worker")


async def settle_predecessor(supervisor: Supervisor, ledger: int) -> None:
    """Settle under the predecessor's fences, so that what came back by its lease meanwhile is left alone."""
    culprit = overdue(ledger, supervisor.options.cancel_grace)
    settlements = [
        await _timed_out(supervisor, entry) if entry == culprit else _handed_back(entry)
        for entry in read_entries(ledger)
    ]
    try:
        await supervisor.driver.settle(settlements)
    except DriverError as error:
        _log.error("%d jobs of a killed process could not be settled; their leases end: %s", len(settlements), error)


async def _timed_out(supervisor: Supervisor, entry: Entry) -> Settlement:
    run, executor = Run(entry.reservation), supervisor.executor
    try:
        executor.open(run)
    except Exception:
        _log.exception("%s %s cannot be opened to be judged; it is handed back", run.name, run.reservation.id)
        return _handed_back(entry)
    outcome = executor.timed_out(run)
    _log.error("%s %s held its process past its timeout, which was killed", run.name, run.reservation.id)
    if isinstance(outcome, Failed):
        await executor.tell_failed(run, outcome.error)
    return executor.conclude(run, outcome)


def _handed_back(entry: Entry) -> Settlement:
    return Settlement(entry.reservation, Released(None, "nothing", reason="its process was killed"))
