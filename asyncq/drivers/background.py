"""The driver whose jobs run in this process at once, while the push goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from asyncq.clock import Clock
from asyncq.config import Settings
from asyncq.drivers.storeless import Storeless
from asyncq.payload import Envelope, Pushed, Reservation
from asyncq.records import WaitingJob

__all__ = ["BackgroundDriver"]

GRACE: Final = 20.0
"""Seconds that jobs have to end when the app closes."""


class BackgroundDriver(Storeless):
    """Has jobs run in tasks of the app's; their errors reach its log and its listeners, their delays are ignored.

    The jobs of one push run one after another. It stores none of them: what has not ended when the process does is
    lost.
    """

    after_response: ClassVar[bool] = False

    def __init__(self, settings: Settings, clock: Clock) -> None:
        settings.check_options("grace")
        super().__init__(settings, clock)
        self._grace = _grace(settings)

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Hand the envelopes over.

        Raises:
            NotOpen: nobody has said yet, by `bind`, how a job is run, or the app is closing.
        """
        self._hands.take(envelopes, grace=self._grace, after_response=self.after_response)
        return [Pushed(envelope.id, created=True) for envelope in envelopes]

    async def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return those that have not ended yet."""
        return self._hands.find(ids)

    async def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait, and cancel those that run: no worker has them that could be told by a signal."""
        return self._hands.cancel(ids)

    async def free(self, reservation: Reservation, /) -> bool:
        """Answer that it was stale: no unique key is held."""
        return False


def _grace(settings: Settings) -> float:
    text = settings.options.get("grace", str(GRACE))
    try:
        grace = float(text)
    except ValueError:
        grace = -1.0
    if not 0 <= grace < float("inf"):
        raise settings.refusal("grace", f"grace={text!r} must be a number of seconds, 0 or more")
    return grace
