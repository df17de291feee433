"""Sends what waited for a commit, once and in order, in tasks that its engine waits for."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextvars import copy_context

from asyncq.errors import BrokerUnavailable
from asyncq.transactions.holding import Held, Level, Parcel, named
from asyncq.transactions.scopes import scopes

__all__ = ["Post", "send_off"]

_log = logging.getLogger("asyncq.transactions")


class Post:
    """The sends of one engine that are under way."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Return when nothing is under way any more; who waits for a send hears its error there."""
        while self.tasks:
            await asyncio.wait(self.tasks)


def send_off(level: Level, held: Held) -> asyncio.Task[None] | None:
    """Begin to send what waited for a transaction that is committed now; None where nothing did.

    It is a task of the engines that send, not of the caller's: one who is cancelled after the commit takes nothing
    along. Whoever awaits it shields it.
    """
    parcels = level.take()
    if not parcels:
        return None
    context = copy_context()
    context.run(scopes.set, ())  # what listeners dispatch now belongs to no transaction
    task = asyncio.get_running_loop().create_task(_send_in_turn(held.last, parcels), context=context)
    held.last = task
    for post in {parcel.post for parcel in parcels}:
        post.tasks.add(task)
        task.add_done_callback(post.tasks.discard)
    task.add_done_callback(_heard)
    return task


def _heard(task: asyncio.Task[None]) -> None:
    """Take note of an error that nobody awaits; it was logged."""
    if not task.cancelled():
        task.exception()


async def _send_in_turn(before: asyncio.Task[None] | None, parcels: Sequence[Parcel]) -> None:
    if before is not None and not before.done():
        await asyncio.wait([before])
    errors: list[Exception] = []
    for group in _together(parcels):
        errors += await _send(group)
    if errors:
        raise errors[0]


def _together(parcels: Sequence[Parcel]) -> Iterable[Sequence[Parcel]]:
    """Put together what goes to one broker, and is stored there as a whole or not at all.

    Brokers are asked apart: what one refuses must neither keep the jobs of another back nor send them twice. So are
    jobs that their send runs, since one that fails has others before it that have run.
    """
    groups: dict[object, list[Parcel]] = {}
    for parcel in parcels:
        groups.setdefault(parcel if parcel.inline else (parcel.send, parcel.connection), []).append(parcel)
    return groups.values()


async def _send(parcels: Sequence[Parcel]) -> list[Exception]:
    """Send what goes to one broker together; where that is refused, each dispatch by itself."""
    try:
        await parcels[0].send([item for parcel in parcels for item in parcel.items])
    except BaseException as error:
        if len(parcels) > 1 and isinstance(error, Exception) and not isinstance(error, BrokerUnavailable):
            return [error for parcel in parcels for error in await _send([parcel])]
        return [_lost(error, parcels)]
    return []


def _lost(error: BaseException, parcels: Sequence[Parcel]) -> Exception:
    """Say it loudly: the transaction stands, and its jobs do not exist, or ran and failed."""
    happened = "failed" if parcels[0].inline else "could not be sent"
    told = f"but these jobs {happened}: {named(parcels)}"
    _log.critical("a transaction was committed, %s", told, exc_info=error)
    error.add_note(f"The transaction was committed, {told}")
    if not isinstance(error, Exception):
        raise error
    return error
