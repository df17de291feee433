"""Waiting for a job: on a token that wakes, never on the job itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import anyio

from asyncq.drivers.redis.calls import call
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.micros import MICRO

__all__ = ["wait"]

LONGEST: Final = 5.0
"""Seconds of one blocking call: a token that was lost (its connection broke) costs a job no more than this."""
SHORTEST: Final = 0.002


async def wait(link: Link, keys: Keys, queues: Sequence[str], timeout: float) -> None:
    """Return when a job of these queues may be reserved, or after `timeout` seconds."""
    ends_at = time.monotonic() + timeout
    while True:
        soonest = await _ahead(link, keys, queues)
        left = ends_at - time.monotonic()
        if soonest == 0 or left <= 0:
            return
        pause = min(LONGEST, left, soonest if soonest is not None else LONGEST)
        if await _token(link, keys, queues, max(SHORTEST, pause)):
            return


async def _ahead(link: Link, keys: Keys, queues: Sequence[str]) -> float | None:
    """Return the seconds until something happens: 0 for now, None for nothing in sight."""
    soonest: float | None = None
    for home, mine in keys.groups(queues).items():
        found = int(await link.run(call("ahead", [home, *map(keys.base, mine)])))
        if found >= 0:
            soonest = min(found / MICRO, soonest if soonest is not None else found / MICRO)
    return soonest


async def _token(link: Link, keys: Keys, queues: Sequence[str], seconds: float) -> bool:
    """Wait for a token of any of these queues; one call reaches those of one home."""
    lists = [[f"{keys.base(queue)}notify" for queue in mine] for mine in keys.groups(queues).values()]
    if not keys.clustered:
        lists = [[name for names in lists for name in names]]
    if len(lists) == 1:
        return await link.block("BLPOP", *lists[0], seconds=seconds)
    came = False
    async with anyio.create_task_group() as group:

        async def listen(names: Sequence[str]) -> None:
            nonlocal came
            came = await link.block("BLPOP", *names, seconds=seconds) or came
            group.cancel_scope.cancel()

        for names in lists:
            group.start_soon(listen, names)
    return came
