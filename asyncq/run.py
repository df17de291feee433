"""`Run`: one attempt while it lasts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Literal

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.payload import Released, Reservation, Settlement
from asyncq.retry import Rules

if TYPE_CHECKING:
    import anyio

    from asyncq.context import Early, JobContext
    from asyncq.recipe import Recipe

__all__ = ["Cause", "Facts", "Run"]

Cause = Literal["timeout", "shutdown", "lease_lost", "user"]
Facts = tuple[str, str, str, str, int, Any]
"""Connection, queue, id, name, attempt and instance."""
_DEFAULT_RULES = Rules()


class Run:
    """What is known of one attempt from its reservation to its settlement."""

    __slots__ = (
        "cause",
        "clock",
        "confirmed",
        "ctx",
        "deadline",
        "early",
        "recipe",
        "reservation",
        "rules",
        "scope",
        "settlement",
        "shell",
        "started_at",
        "taken_at",
        "task",
        "told_at",
    )

    def __init__(self, reservation: Reservation, clock: Clock = SYSTEM_CLOCK) -> None:
        self.reservation = reservation
        self.clock = clock
        self.taken_at = clock.monotonic()
        self.rules = _DEFAULT_RULES
        self.started_at = 0.0
        self.deadline: float | None = None
        """Monotonic instant of the timeout by the system's clock, None where none is running."""
        self.cause: Cause | None = None
        self.ctx: JobContext | None = None
        self.recipe: Recipe | None = None
        self.scope: anyio.CancelScope | None = None
        self.shell: anyio.CancelScope | None = None
        self.task: asyncio.Task[None] | None = None
        self.settlement: Settlement | None = None
        self.early: Early | None = None
        self.confirmed: asyncio.Future[bool] | None = None
        self.told_at = float("-inf")
        """Monotonic instant at which its progress was written last."""

    @property
    def name(self) -> str:
        """Name of the job on the wire."""
        return self.reservation.name

    def broker_now(self) -> float:
        """Return unix seconds by the broker's clock."""
        return self.reservation.reserved_at + self.clock.monotonic() - self.taken_at

    @property
    def called_off(self) -> bool:
        """True where it was cancelled, be it before its handler began."""
        return self.cause is not None

    @property
    def ends_its_job(self) -> bool:
        """True where its settlement leaves nothing to run again."""
        return self.settlement is not None and not isinstance(self.settlement.outcome, Released)

    def cancel(self, cause: Cause) -> None:
        """Cancel the handler; the first cause stays."""
        if self.cause is not None:
            return
        self.cause = cause
        if self.scope is not None:
            self.scope.cancel(cause)

    def answer(self, *, stale: bool) -> None:
        """Tell who waits for it whether the settlement was refused; the first answer stays."""
        if self.confirmed is not None and not self.confirmed.done():
            self.confirmed.set_result(stale)

    def handed_back(self) -> Settlement:
        """Return the settlement that gives the job back to its place, uncounted, since the worker stops."""
        return Settlement(self.reservation, Released(None, "nothing", reason="shutdown"))

    def hush(self) -> None:
        """Deliver the cancellation no further.

        anyio cancels anew at each turn of the loop, which costs a whole core where a handler swallows it. The handler
        runs in an inner scope for that reason: shielding it ends the deliveries of the outer one.
        """
        if self.shell is not None:
            self.shell.shield = True

    def close(self) -> None:
        """Forget what refers back to the run, so that its job is freed at once and not by the collector of cycles."""
        self.ctx = self.scope = self.shell = self.task = self.confirmed = None

    def was_cancelled(self) -> bool:
        """Say whether a cancellation has reached the task."""
        return self.task is None or self.task.cancelling() > 0

    def facts(self, connection: str) -> Facts:
        """Return the leading fields of the events about this run."""
        item = self.reservation
        return connection, item.queue, item.id, item.name, item.attempt, self.ctx.job if self.ctx else None
