"""What all stores use: their scripts, run at the home of the stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from asyncq.drivers.redis.calls import call
from asyncq.drivers.redis.keys import Keys
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.wire import Argument

__all__ = ["Shelf"]


class Shelf:
    """The stores' place on the server."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self.link = link
        self.keys = keys

    async def run(self, name: str, arguments: Iterable[Argument] = (), *, home: str | None = None) -> Any:
        """Run a script of the stores, by default at their own home."""
        return await self.link.run(call(f"stores/{name}", [home or self.keys.root], arguments))

    async def homes(self) -> list[str]:
        """Return every home that may hold outbox rows."""
        if not self.keys.clustered:
            return [self.keys.root]
        known = await self.link.command("SMEMBERS", f"{self.keys.root}queues")
        return [self.keys.root, *sorted(self.keys.home(name.decode()) for name in known)]
