"""What a file of this folder says about its library."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import ClassVar, Literal, Self

from benchmarks.rivals.tally import Tally

__all__ = ["SLOTS", "Contender", "JobName"]

SLOTS = 50
"""How many jobs run at once, and how many tasks push at once."""

JobName = Literal["noop", "nap", "ping"]


class Contender:
    """One library on one Redis server: how jobs are pushed, how its worker runs them.

    `async with` opens what pushes need. A library without asyncio pushes one job after the other only, and one without
    a call for many jobs has no bulk.
    """

    pushes_at_once: ClassVar[bool] = True
    pushes_in_bulk: ClassVar[bool] = False

    def __init__(self, url: str, tally: Tally) -> None:
        self.url = url
        self.tally = tally

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was opened."""

    async def push(self, job: JobName, value: float) -> None:
        """Push one job."""
        raise NotImplementedError

    async def push_all(self, job: JobName, values: Sequence[float]) -> None:
        """Push many jobs by one call."""
        raise NotImplementedError

    def working(self, job: JobName) -> AbstractAsyncContextManager[object]:
        """Run a worker in this process, for this kind of job, as long as the block lasts."""
        raise NotImplementedError
