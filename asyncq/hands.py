"""What a driver is given that stores no jobs: it runs those of one connection in this process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from asyncq.aside import Aside
from asyncq.current import current_response
from asyncq.errors import NotOpen
from asyncq.payload import Envelope
from asyncq.records import WaitingJob
from asyncq.response import Errand

__all__ = ["Hands"]


@dataclass(frozen=True, slots=True)
class Hands:
    """Runs the jobs of one connection, here or aside."""

    aside: Aside
    connection: str

    async def run(self, envelope: Envelope, /) -> None:
        """Run one job to its end in the task of the caller, and raise its error."""
        await self.aside.in_place.run(self.connection, envelope, keep=True)

    def take(self, envelopes: Sequence[Envelope], /, *, grace: float, after_response: bool) -> None:
        """Take jobs to run one after another, at once or when the response that is under way here has gone out.

        Raises:
            NotOpen: the app is closing.
        """
        if self.aside.closed:
            raise NotOpen(f"connection {self.connection!r} runs jobs in this process, and its app is closing")
        errands = [Errand(self.connection, envelope, keep=True) for envelope in envelopes]
        response = current_response.get() if after_response else None
        if response is not None and response.here:
            response.add(self.aside, errands)
            return
        line = self.aside.line(grace)
        for errand in errands:
            line.add(errand)
        line.start()

    def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return those of these jobs that wait or run."""
        return {job.id: job for _, job in self.aside.jobs() if job.id in ids}

    def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait and cancel those that run; returns which."""
        return [id for id in ids if any(line.cancel(id) for line in list(self.aside.lines))]
