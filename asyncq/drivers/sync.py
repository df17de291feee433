"""The driver that runs each job where it was pushed, before the push returns."""

from __future__ import annotations

from collections.abc import Sequence

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.drivers.storeless import Storeless
from asyncq.payload import Envelope, Pushed

__all__ = ["SyncDriver"]


class SyncDriver(Storeless):
    """Runs jobs in the task that pushes them; their errors reach the caller, their delays are ignored."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        settings.check_options()
        super().__init__(settings, clock)

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Run the envelopes one after another; the first error ends the push, and those after it do not run.

        Raises:
            NotOpen: nobody has said yet, by `bind`, how a job is run.
        """
        hands = self._hands
        for envelope in envelopes:
            await hands.run(envelope)
        return [Pushed(envelope.id, created=True) for envelope in envelopes]
