"""One of several processes that empty the same file; prints the ids that it settled.

python -m tests.process.reserver URL LIMIT
"""

from __future__ import annotations

import asyncio
import sys

from asyncq import Connection
from asyncq.drivers import connect
from asyncq.payload import Done, Settlement


async def empty(url: str, limit: int) -> list[str]:
    """Reserve and settle until the queue holds nothing any more, leased or not."""
    settled: list[str] = []
    async with connect(Connection(url)) as driver:
        while (await driver.sizes(["default"]))["default"].total:
            held = (await driver.reserve(["default"], limit=limit)).items
            if not held:
                await driver.wait(["default"], timeout=0.5)
                continue
            stale = await driver.settle([Settlement(one, Done()) for one in held])
            refused = {one.id for one in stale}
            settled += [one.id for one in held if one.id not in refused]
    return settled


if __name__ == "__main__":
    print(*asyncio.run(empty(sys.argv[1], int(sys.argv[2]))), sep="\n")  # noqa: T201  # what it is asked for
