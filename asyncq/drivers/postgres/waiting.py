"""Waiting for something in the tables: woken by a notification, and by looks of one's own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from asyncq.drivers.postgres.ears import Ears
from asyncq.drivers.postgres.heads import Heads
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import MICRO

__all__ = ["until", "wait_for_jobs"]

FIRST: Final = 0.02
"""Seconds until the second look where nothing can be heard; from there on each pause is twice the one before."""
SHORTEST: Final = 0.001

Look = Callable[[], Awaitable[float | None]]
"""Answers in how many seconds it is worth looking again: 0 for now, None for nothing in sight."""


async def wait_for_jobs(link: Link, ears: Ears, heads: Heads, queues: Sequence[str], timeout: float) -> None:
    """Return when a job of these queues may be reserved, or after `timeout` seconds."""
    asked = list(dict.fromkeys(queues))

    async def look() -> float | None:
        view = heads.view(asked, waits=True)
        now, due, suspect, lease = (await link.run("ahead", asked, view.heads, view.leases_from))[0]
        heads.looked(view)
        if lease is not None and lease <= now:
            heads.expired(asked)
        # A suspect that is due does not end a wait, or all workers would spin while one of them runs it.
        later = suspect if suspect is not None and suspect > now else None
        soonest = min((at for at in (due, later, lease) if at is not None), default=None)
        return None if soonest is None else max(0.0, (soonest - now) / MICRO)

    topics = [f"{kind}:{queue}" for queue in asked for kind in ("q", "h")]
    await until(look, ears, topics, timeout, link.options.poll)


async def until(look: Look, ears: Ears, topics: Sequence[str], timeout: float, poll: float) -> bool:
    """Return True when the look says so or a topic was rung, False after `timeout` seconds."""
    ends_at, pause = time.monotonic() + timeout, FIRST
    with ears.listening(topics) as rung:
        while True:
            # Listened for before the look: what comes after it is heard.
            hears = await ears.hears()
            soonest = await look()
            if soonest is not None and soonest <= 0:
                return True
            left = ends_at - time.monotonic()
            if left <= 0:
                return False
            nap = min(left, left if soonest is None else soonest, left if hears else pause)
            if await _rung(rung, nap):
                return True
            if time.monotonic() >= ends_at:
                return False
            pause = min(poll, pause * 2)


async def _rung(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(SHORTEST, seconds)):
            return await event.wait()
    except TimeoutError:
        return False
