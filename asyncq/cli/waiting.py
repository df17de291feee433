"""What waits on a connection and would go on waiting: queues and jobs that a worker does not know when it starts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from asyncq.app import AsyncQ
from asyncq.contracts import Driver, Inspectable
from asyncq.drivers import connect
from asyncq.registry import way_out

__all__ = ["left_waiting"]

MOST: Final = 5
"""Queues, and names of jobs, that are told one by one."""
SAMPLE: Final = 100
"""Jobs of a queue, of those that are ready and of those that are delayed, whose names are looked at."""


def left_waiting(app: AsyncQ, connection: str, queues: Sequence[str]) -> list[str]:
    """Return what to tell a person who starts a worker of these queues.

    Raises:
        AsyncqError: the broker cannot be looked at, so a worker could not start either.
    """
    with _quiet():
        return asyncio.run(_look(app, connection, queues))


@contextmanager
def _quiet() -> Generator[None]:
    """Leave it to the worker, which connects in a moment, to log what a driver has to say."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


async def _look(app: AsyncQ, connection: str, queues: Sequence[str]) -> list[str]:
    async with connect(app.connections[connection], name=connection) as driver:
        if not isinstance(driver, Inspectable):
            return []
        unread = [queue for queue in await driver.queues() if queue not in queues]
        known = app.registry.load()
        names = [name async for name in _strange(driver, queues, known)]
        return [*await _of_queues(driver, unread, queues), *_of_names(list(dict.fromkeys(names)))]


async def _strange(driver: Inspectable, queues: Sequence[str], known: Collection[str]) -> AsyncIterator[str]:
    """Yield the names of waiting jobs that no imported module defines."""
    for queue in queues:
        for job in [
            *await driver.page(queue, "ready", limit=SAMPLE),
            *await driver.page(queue, "delayed", limit=SAMPLE),
        ]:
            if job.name not in known:
                yield job.name


async def _of_queues(driver: Driver, unread: Sequence[str], read: Sequence[str]) -> list[str]:
    totals = {queue: size.total for queue, size in (await driver.sizes(unread)).items() if size.total}
    told = [
        f"queue {queue} holds {_jobs(total)} that this worker does not read; --queue {','.join([*read, queue])} does"
        for queue, total in list(totals.items())[:MOST]
    ]
    if len(totals) > MOST:
        told.append(
            f"{len(totals) - MOST} more queues hold jobs that this worker does not read; `asyncq size` lists them"
        )
    return told


def _of_names(names: Sequence[str]) -> Iterator[str]:
    for name in names[:MOST]:
        yield f"jobs called {name} are waiting, and no imported module defines them; {way_out(name)}"
    if len(names) > MOST:
        yield f"{len(names) - MOST} more kinds of waiting jobs are defined by no imported module"


def _jobs(count: int) -> str:
    return f"{count} job" + ("s" if count != 1 else "")
