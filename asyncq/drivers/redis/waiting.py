"""Waiting for a job: on a token that wakes, never on the job itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from asyncq.drivers.redis.calls import call
from asyncq.drivers.redis.ears import Ears
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.micros import MICRO

__all__ = ["wait"]

LONGEST: Final = 5.0
"""Seconds of one blocking call: a token that was lost (its connection broke) costs a job no more than this."""
SHORTEST: Final = 0.002


async def wait(link: Link, ears: Ears, keys: Keys, queues: Sequence[str], timeout: float) -> None:
    """Return when a job of these queues may be reserved, or after `timeout` seconds."""
    ends_at = time.monotonic() + timeout
    while (soonest := await _ahead(link, keys, queues)) != 0 and (left := ends_at - time.monotonic()) > 0:
        pause = min(LONGEST, left, soonest if soonest is not None else LONGEST)
        if await _token(link, ears, keys, queues, max(SHORTEST, pause)) or time.monotonic() >= ends_at:
            return


async def _ahead(link: Link, keys: Keys, queues: Sequence[str]) -> float | None:
    """Return the seconds until something happens: 0 for now, None for nothing in sight."""
    looks = [link.run(call("ahead", [home, *map(keys.base, mine)])) for home, mine in keys.groups(queues).items()]
    # A task for each look only where there are several.
    answers = [await looks[0]] if len(looks) == 1 else await asyncio.gather(*looks)
    return min((instant / MICRO for instant in map(int, answers) if instant >= 0), default=None)


async def _token(link: Link, ears: Ears, keys: Keys, queues: Sequence[str], seconds: float) -> bool:
    """Wait for a token of any of these queues; one call reaches those of one slot."""
    names = [f"{keys.base(queue)}notify" for queue in dict.fromkeys(queues)]
    if keys.clustered:
        return await ears.wait(names, seconds)
    return await link.block("BLPOP", *names, seconds=seconds)
