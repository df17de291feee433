"""Envelopes and other values for the suite, and the few steps that most tests begin with."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any, TypeVar

from asyncq.contracts import Driver
from asyncq.payload import Effects, Envelope, Outcome, Reservation, Settlement, Unique
from asyncq.records import FailedJob
from asyncq.testing.conformance.backend import Backend

__all__ = [
    "failed_job",
    "ids",
    "job",
    "make_suspect",
    "push",
    "reserve",
    "reserve_one",
    "settle",
    "there",
    "unique_job",
]

T = TypeVar("T")

_number = count(1)


def job(id: str | None = None, /, **fields: Any) -> Envelope:
    """Make an envelope; ids without a name grow with each call."""
    known: dict[str, Any] = {"queue": "default", "name": "app:Work", "body": b"{}\n[]", **fields}
    return Envelope(id=id or f"job-{next(_number):06}", **known)


def unique_job(key: str, id: str | None = None, /, *, ttl: float | None = None, **fields: Any) -> Envelope:
    """Make an envelope with a unique key."""
    return job(id, unique=Unique(key, ttl), **fields)


def failed_job(id: str, /, **fields: Any) -> FailedJob:
    """Make a failed record."""
    known: dict[str, Any] = {
        "connection": "main",
        "queue": "default",
        "name": "app:Work",
        "body": b"{}\n[]",
        "error": "ValueError: no",
        "traceback": "Traceback",
        "failed_at": 0.0,
        **fields,
    }
    return FailedJob(id=id, **known)


def ids(items: Iterable[Any]) -> list[str]:
    """Return the ids of values that have one."""
    return [item.id for item in items]


async def push(driver: Driver, *names: str, **fields: Any) -> None:
    """Push one job for each id."""
    await driver.push([job(name, **fields) for name in names])


async def reserve(driver: Driver, *queues: str, limit: int = 100) -> list[Reservation]:
    """Reserve from the queues, by default from `default`."""
    return list((await driver.reserve(queues or ("default",), limit=limit)).items)


async def reserve_one(driver: Driver, *queues: str) -> Reservation:
    """Reserve one job that must be there."""
    items = await reserve(driver, *queues, limit=1)
    assert len(items) == 1, "no job to reserve"
    return items[0]


async def settle(driver: Driver, held: Reservation, outcome: Outcome, **effects: Any) -> list[str]:
    """Settle one reservation; returns the ids of the stale ones."""
    return ids(await driver.settle([Settlement(held, outcome, Effects(**effects))]))


def there(value: T | None) -> T:
    """Return an optional part of a backend that its row in the table promises."""
    assert value is not None, "promised by the backend's `promises`, but not there"
    return value


async def make_suspect(backend: Backend, driver: Driver, id: str, queue: str = "default") -> None:
    """Push a job and let its lease run out twice, alone in its queue."""
    await push(driver, id, queue=queue)
    for _ in range(2):
        assert await reserve(driver, queue)
        await backend.turn(driver.lease + 0.01)
    await driver.reserve([queue], limit=0)
