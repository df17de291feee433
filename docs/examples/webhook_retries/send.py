"""Tell receivers that something happened.

python send.py http://127.0.0.1:8100/hooks …
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence

from asyncq import dispatch_many

from jobs import Deliver


async def tell(urls: Sequence[str], event: dict[str, object]) -> None:
    """Dispatch one job for each receiver, so that a slow one holds up nobody else."""
    body = json.dumps(event)
    for handle in await dispatch_many([Deliver(url=url, body=body) for url in urls]):
        print(handle.id)


if __name__ == "__main__":
    asyncio.run(tell(sys.argv[1:], {"type": "order.paid", "order": 7}))
