"""Every protocol that a backend implements, with what must be true after each call.

The suite `asyncq.testing.conformance` holds a test for each promise. A backend is supported when it passes that suite
against the real thing; where it honestly differs it says so in its `Traits`, and the suite reads them.

Common to all async calls here: an exception of the backend's library arrives as a `DriverError` with its cause;
cancellation at any await loses no job and doubles none; a call that failed changed nothing, or all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from asyncq.payload import Envelope, Pushed, Reservation, Reserved, Settlement, Traits
from asyncq.records import Fact, QueueSize, WaitingJob
from asyncq.sharing import Lending, Statements, Transaction, Transactional
from asyncq.stores import Stores

__all__ = [
    "Clearable",
    "Diagnosable",
    "Driver",
    "Findable",
    "Hands",
    "Inline",
    "Inspectable",
    "Installable",
    "Keeper",
    "Lending",
    "Running",
    "Statements",
    "Transaction",
    "Transactional",
    "Turning",
]


class Keeper(Protocol):
    """Keeps leases from a thread of its own; blocking, and used only in that thread.

    Entered and left in the keeper's thread. It uses a connection of its own, so that neither a blocked event loop nor
    a busy driver delays it.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart the full lease of each, and of reservations that the driver made but has not answered yet.

        Returns those of the given ones that were lost: their token is no longer the job's.
        """
        ...

    def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """Do what `Driver.settle` does; for the moment when the loop can no longer do it."""
        ...


class Driver(Protocol):
    """A broker. It sees envelopes and bytes, never jobs.

    `async with driver` opens it. It holds no task group or cancel scope open between enter and exit, since these may
    run in different tasks. Its clock is the broker's own; no instant of a client decides about a job.
    """

    name: str
    """Name of the connection."""
    lease: float
    """Seconds that a reservation lasts without being extended."""
    traits: Traits
    stores: Stores

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...

    async def push(self, envelopes: Sequence[Envelope], /) -> Sequence[Pushed]:
        """Store the envelopes: all of them or none.

        Answers in their order. An id that is stored already writes nothing and is answered `created=False`: the first
        write wins. So is an envelope whose unique key another stored job holds; the answer then has that job's id.
        The same holds within one call.
        """
        ...

    async def reserve(self, queues: Sequence[str], /, *, limit: int, alone: bool = False) -> Reserved:
        """Lease up to `limit` due jobs, and never wait.

        Earlier queues come first, then earlier `(due, id)`. First, expired leases (of any queue asked for) go back to
        the head of their queue with `crashes + 1` and their token void. Jobs with two crashes or more are passed over
        and reported as `suspects`; with `alone=True` exactly one of those is leased, if there is one, and nothing else.
        Reserve changes neither attempts nor exceptions: `Reservation.attempt` is the count so far plus one.
        """
        ...

    async def wait(self, queues: Sequence[str], /, *, timeout: float) -> None:
        """Return when a job of these queues may be reserved, or after `timeout` seconds.

        Covers pushes of any process, delays that end, leases that expire and jobs handed back. It may return early; it
        never returns late by more than `traits.wake_latency`. It takes no job, holds nothing, and may be cancelled.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement], /) -> Sequence[Reservation]:
        """End attempts. Returns the reservations that were stale: for those nothing at all was changed.

        For each one whose token is still the job's, in one step with all its effects:
        `Done`, `Skipped`, `Failed`, `Cancelled` forget the job and free its unique key;
        `Released` puts it back without a token, due `delay` seconds from now (`delay=None`: at its old place, which is
        the head). `count="attempt"`: attempts + 1, crashes = 0. `count="exception"`: also exceptions + 1.
        `count="nothing"`: no counter changes. `body` replaces the stored body.
        The callbacks that the strike of a batch member makes due are pushed as jobs of this driver.
        """
        ...

    async def extend(self, reservations: Sequence[Reservation], /) -> Sequence[Reservation]:
        """Restart the full lease of each; returns those that were lost."""
        ...

    async def sizes(self, queues: Sequence[str], /) -> Mapping[str, QueueSize]:
        """Count the jobs of each queue asked for. A job whose lease has run out counts as ready."""
        ...

    def keeper(self) -> Keeper:
        """Make a keeper that shares this driver's jobs, to be entered in another thread."""
        ...


@runtime_checkable
class Turning(Protocol):
    """A driver that settles and reserves in one round trip."""

    async def turn(
        self, settlements: Sequence[Settlement], queues: Sequence[str], /, *, limit: int
    ) -> tuple[Sequence[Reservation], Reserved]:
        """Do `settle(settlements)`, then `reserve(queues, limit=limit)`, in one atomic step."""
        ...


@runtime_checkable
class Running(Protocol):
    """A driver with work in the background; the worker's task group starts it."""

    async def run(self) -> None:
        """Run until cancelled."""
        ...


class Hands(Protocol):
    """Runs the jobs of one connection in this process."""

    async def run(self, envelope: Envelope, /) -> None:
        """Run one envelope to its end, and raise its error."""
        ...

    def take(self, envelopes: Sequence[Envelope], /, *, grace: float, after_response: bool) -> None:
        """Run the envelopes one after another while who pushed them goes on; an app that ends waits `grace` seconds.

        `after_response`: they begin when the response that is under way here, if there is one, has gone out.
        """
        ...

    def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return those of these jobs that wait or run."""
        ...

    def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait and cancel those that run; returns which."""
        ...


@runtime_checkable
class Inline(Protocol):
    """A driver that has its jobs run in this process instead of storing them."""

    def bind(self, hands: Hands, /) -> None:
        """Take what runs them."""
        ...


@runtime_checkable
class Findable(Protocol):
    """A driver that can look up stored jobs by id."""

    async def find(self, ids: Sequence[str], /) -> Mapping[str, WaitingJob]:
        """Return the stored jobs among these ids."""
        ...

    async def cancel(self, ids: Sequence[str], /) -> Sequence[str]:
        """Forget those that wait (ready or delayed) and free their unique keys; returns the ids that were forgotten.

        A reserved job is left alone: its worker is told by a signal.
        """
        ...

    async def free(self, reservation: Reservation, /) -> bool:
        """Free the unique key of a job that we hold, before its end; False where the reservation was stale."""
        ...


@runtime_checkable
class Clearable(Protocol):
    """A driver that can empty a queue."""

    async def clear(self, queue: str, /) -> int:
        """Forget all jobs of the queue, reserved ones too, with their unique keys; returns how many."""
        ...


@runtime_checkable
class Inspectable(Protocol):
    """A driver that can list what it stores."""

    async def queues(self) -> Sequence[str]:
        """Return the names of all queues that hold a job, sorted."""
        ...

    async def page(
        self, queue: str, state: Literal["ready", "delayed", "reserved"], /, *, limit: int = 50, offset: int = 0
    ) -> Sequence[WaitingJob]:
        """List jobs of one queue in one state, in the order in which they would be reserved."""
        ...


@runtime_checkable
class Installable(Protocol):
    """A driver with tables that have versions."""

    async def schema(self) -> tuple[int, int]:
        """Return (version found, version of this code); found is 0 where there are no tables."""
        ...

    async def install(self) -> int:
        """Bring the tables to this code's version, once, whoever else tries too; returns the version found before."""
        ...

    def script(self, since: int = 0, /) -> tuple[int, Sequence[str]]:
        """Return (version of this code, the statements that lead to it from version `since`), for people who run them.

        Needs no open driver and no broker. From the version of this code no statement leads on.

        Raises:
            ConfigError: there never was a version `since`.
        """
        ...


@runtime_checkable
class Diagnosable(Protocol):
    """A driver that can say how its server is set up."""

    async def facts(self) -> Sequence[Fact]:
        """Return what matters for the safety of jobs: version, what a crash takes back, memory, role."""
        ...
