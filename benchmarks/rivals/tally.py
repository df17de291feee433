"""Which jobs ran, when the first began, when the last ended."""

from __future__ import annotations

import asyncio
import time

__all__ = ["NAP", "Tally"]

NAP = 0.01
PATIENCE = 300.0
"""Seconds until the last job must have run."""


class Tally:
    """The handlers of all workloads; each notes its number.

    A synchronous library calls them from its threads: appending to a list is one step, the event is set by the loop.
    """

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.latencies: list[float] = []
        self.began_at = self.ended_at = self.cpu_at_begin = self.cpu_at_end = 0.0
        self._expected = 0
        self._reached = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def seconds(self) -> float:
        """From the begin of the first job to the end of the last."""
        return self.ended_at - self.began_at

    @property
    def cpu(self) -> float:
        """Seconds of CPU that this process took meanwhile, all threads together."""
        return self.cpu_at_end - self.cpu_at_begin

    def noop(self, number: int) -> None:
        """A job that does nothing."""
        self._begin()
        self._end(number)

    async def nap(self, number: int) -> None:
        """A job that waits for 10 ms, as one does that asks another service."""
        self._begin()
        await asyncio.sleep(NAP)
        self._end(number)

    def nap_in_thread(self, number: int) -> None:
        """The same for a library that runs jobs in threads."""
        self._begin()
        time.sleep(NAP)
        self._end(number)

    def ping(self, sent_at: float) -> None:
        """A job that tells how long it was on its way."""
        self.latencies.append(1e3 * (time.perf_counter() - sent_at))
        self._end(len(self.latencies))

    def expect(self, jobs: int) -> None:
        """Say how many jobs `reached` waits for; call it before the last of them is pushed."""
        self._expected = jobs
        self._reached.clear()

    async def reached(self) -> None:
        """Wait for the expected number of jobs."""
        try:
            await asyncio.wait_for(self._reached.wait(), PATIENCE)
        except TimeoutError:
            raise SystemExit(f"only {len(self.seen)} of {self._expected} jobs ran in {PATIENCE:.0f} s") from None

    def verify(self, jobs: int) -> None:
        """Refuse the figures unless each job ran exactly once."""
        if sorted(self.seen) != list(range(jobs)):
            missing, ran = len(set(range(jobs)) - set(self.seen)), len(self.seen)
            raise SystemExit(f"of {jobs} jobs {missing} did not run, {ran - (jobs - missing)} ran once too often")

    def _begin(self) -> None:
        if not self.began_at:
            self.began_at, self.cpu_at_begin = time.perf_counter(), time.process_time()

    def _end(self, number: int) -> None:
        self.seen.append(number)
        self.ended_at = time.perf_counter()
        if len(self.seen) == self._expected:
            self.cpu_at_end = time.process_time()
            self._loop.call_soon_threadsafe(self._reached.set)
