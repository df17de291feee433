"""What a fake keeps of each dispatch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, Literal, TypeVar

from asyncq.clock import Clock
from asyncq.codec import Codec
from asyncq.job import Job
from asyncq.payload import Pushed, reservation_of
from asyncq.plugin import Pending, Plugin, Send

__all__ = ["Dispatched", "Recorder", "Way", "record_of"]

Way = Literal["queue", "sync", "after_response"]
"""How a job was dispatched: to a queue, to run here and now, or when a response has gone out."""
J_co = TypeVar("J_co", bound=Job, covariant=True)


@dataclass(frozen=True, slots=True)
class Dispatched(Generic[J_co]):
    """One dispatch: the job as a worker would see it, and what was said with it."""

    job: J_co
    """After the round trip through the codec; models by reference are those that were given."""
    id: str
    queue: str
    connection: str
    delay: float
    """Seconds until it is due, counted from the dispatch."""
    due_at: datetime | None
    """The instant that was given as `delay`, if it was one."""
    way: Way
    """Whether it was given to a queue, or was to run here and now, or when the response has gone out."""
    unique_key: str | None
    group: str | None
    tags: tuple[str, ...]
    tries: int | None
    """None leaves it to the worker; likewise the following."""
    timeout: float | None
    backoff: tuple[float, ...] | None
    retry_until: datetime | None

    def __str__(self) -> str:
        where = {
            "queue": f"on queue {self.queue!r} of connection {self.connection!r}",
            "sync": "here and now",
            "after_response": "after the response",
        }[self.way]
        return f"{self.job!r} {where}" + (f", delayed by {self.delay:g} s" if self.delay else "")


def record_of(codec: Codec, item: Pending, clock: Clock, *, way: Way = "queue") -> Dispatched[Job]:
    """Decode what is about to be sent.

    Raises:
        DecodeError: the job would not come back.
    """
    envelope = item.envelope
    payload = codec.open(reservation_of(envelope, 1))
    settings = payload.settings
    backoff, until = settings.get("backoff"), settings.get("retry_until")
    return Dispatched(
        job=codec.round_trip(item.job, payload),
        id=envelope.id,
        queue=envelope.queue,
        connection=item.connection,
        delay=envelope.delay if envelope.due_at is None else max(0.0, envelope.due_at - clock.now()),
        due_at=_instant(envelope.due_at),
        way=way,
        unique_key=envelope.unique.key if envelope.unique else None,
        group=envelope.group,
        tags=envelope.tags,
        tries=settings.get("tries"),
        timeout=settings.get("timeout"),
        backoff=None if backoff is None else tuple(backoff),
        retry_until=_instant(until),
    )


def _instant(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


class Recorder(Plugin):
    """Keeps what is pushed; a unique job that is there already is not."""

    def __init__(self, codec: Codec, clock: Clock, keep: Callable[[Dispatched[Any]], None]) -> None:
        self._codec = codec
        self._clock = clock
        self._keep = keep

    async def dispatch(self, pending: Sequence[Pending], send: Send) -> Sequence[Pushed]:
        """Decode first: what does not come back is refused, and nothing is pushed."""
        records = [record_of(self._codec, item, self._clock) for item in pending]
        pushed = await send(pending)
        for record, answer in zip(records, pushed, strict=True):
            if answer.created:
                self._keep(record)
        return pushed
