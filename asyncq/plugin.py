"""`Plugin` and its doors, through which every feature enters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from asyncq.context import JobContext
from asyncq.payload import NO_EFFECTS, Effects, Envelope, Outcome, Pushed, record
from asyncq.settings import Next

if TYPE_CHECKING:
    from asyncq.job import Job

__all__ = ["Carrier", "Pending", "Plugin", "Preparation", "Send", "effects_of"]


class Carrier(Protocol):
    """Brings envelopes of one connection to where they are stored."""

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes: all of them or none."""
        ...


@record
class Pending:
    """A job on its way to a broker: already bytes, not yet sent."""

    job: Job
    envelope: Envelope
    connection: str
    unique_for: float | None = None
    """Life of the unique key that this dispatch asked for, in seconds."""
    tx: Any = None
    """The caller's transaction that it shall be a part of, as it was given."""
    after_commit: bool | None = None
    """Whether this dispatch asked to wait for a commit."""
    carrier: Carrier | None = None
    """What brings it to its broker; None: its connection's own."""


Send = Callable[[Sequence[Pending]], Awaitable[Sequence[Pushed]]]


class Preparation(Protocol):
    """Makes the decoded jobs of one class ready, and clears up when they have run."""

    def run(self, ctx: JobContext, call_next: Next, /) -> Awaitable[Any]:
        """Wrap the whole run, outside all middleware."""
        ...

    def tell(self, ctx: JobContext, call_next: Next, /) -> Awaitable[Any]:
        """Wrap the call of `failed()` on a fresh instance; what is gone by now must not keep it from being called."""
        ...


def effects_of(settlers: Sequence[Plugin], ctx: JobContext, outcome: Outcome) -> Effects:
    """Gather all that must happen because of this outcome; does no I/O."""
    effects = NO_EFFECTS
    for plugin in settlers:
        effects = plugin.settle(ctx, outcome, effects)
    return effects


class Plugin:
    """One feature. A door that it does not override costs nothing."""

    def dispatch(self, pending: Sequence[Pending], send: Send) -> Awaitable[Sequence[Pushed]]:
        """Change, hold back or answer dispatches; answers in the order of `pending`."""
        return send(pending)

    def prepare(self, cls: type[Job]) -> Preparation | None:
        """Return what makes the jobs of a class ready, None where there is nothing to do; asked once for each class.

        Raises:
            ConfigError: they cannot be made ready in this app.
        """
        return None

    def handle(self, ctx: JobContext, call_next: Next) -> Awaitable[Any]:
        """Wrap the handler, inside the middleware."""
        return call_next(ctx)

    def settle(self, ctx: JobContext, outcome: Outcome, effects: Effects) -> Effects:
        """Add to what must happen because this attempt ended; does no I/O."""
        return effects
