"""A time in which nobody could write, and what it does to leases.

A process that is stopped inside a transaction, or a disk that hangs, keeps everybody from writing: keepers cannot
renew, though their workers are well. Whoever writes first after that would take all these jobs for those of dead
workers and start them a second time. So the file remembers when it was last written, and the first transaction after a
long silence gives the leases that ran out in it a little more time, in which their keepers come to their turn.

The silence is read in the file. How long a connection had to wait for the lock does not tell it: the first one after an
outage is often the process that held the lock and waited for nothing, or one that had nothing to write meanwhile.
While a keeper lives there is a renewal in each third of the lease, and jobs of dead workers are not spared. They are
only where nobody wrote for half a lease; then they come back up to a second late.
"""

from __future__ import annotations

import time
from typing import Final

from asyncq.drivers.sqlite.instants import MICRO
from asyncq.drivers.sqlite.step import Step

__all__ = ["Outage"]

NOTED: Final = 12
"""A connection that writes notes it this many times in a lease."""
SILENCE: Final = 2
"""A silence of more than this part of the lease is an outage: one half, more than a renewal and a note apart."""
MORE: Final = 3
"""The part of the lease for which leases are spared: one third, but no more than a second.

A keeper that waits for the lock tries again within 0.1 s, and one that gave up within 1 s.
"""
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""One clock for all processes of the host. It also counts the time in which the host sleeps, where that can be had."""


class Outage:
    """Notices, for one connection, that nobody wrote for long; a lease of 0 spares nothing."""

    def __init__(self, lease: int) -> None:
        self._lease = lease
        self._noted = -lease
        self._now = 0

    def spare(self, step: Step) -> None:
        """Begin a transaction: give more time to leases that ran out, or nearly did, while nobody could renew them."""
        self._now = int(time.clock_gettime(_CLOCK) * MICRO)
        if self._now - self._noted < self._lease // NOTED or not self._lease:
            return
        row = step.row("meta.get", ("written",))
        # After a start of the host its clock is behind: then no worker lives that could renew anything.
        silent = 0 if row is None else self._now - row[0]
        if silent > self._lease // SILENCE:
            until = step.now + min(self._lease // MORE, MICRO)
            step.run("leases.spare", (until, step.now - silent, until))
        step.run("meta.set", ("written", self._now))

    def committed(self) -> None:
        """End it: what was noted is in the file, and need not be for a while."""
        if self._now - self._noted >= self._lease // NOTED:
            self._noted = self._now
