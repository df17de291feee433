"""Results of jobs, for a while."""

from __future__ import annotations

import time
from collections.abc import Sequence

from asyncq.drivers.redis.settling import result_fields
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.records import StoredResult

__all__ = ["RedisResults"]


class RedisResults:
    """Results; the server forgets them by itself, and tells whoever waits for one."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def put(self, result: StoredResult, /) -> None:
        """Keep a result; a later one of the same id replaces it."""
        await self._shelf.run("result_put", result_fields(result))

    async def get(self, id: str, /) -> StoredResult | None:
        """Return the result if it is still kept."""
        text = await self._shelf.link.command("GET", f"{self._shelf.keys.root}result:{id}")
        if text is None:
            return None
        life, _, body = text.partition(b"\n")
        return StoredResult(id, body, float(life))

    async def wait(self, id: str, /, *, timeout: float) -> StoredResult | None:
        """Return the result as soon as it is there, or None after `timeout` seconds."""
        ends_at = time.monotonic() + timeout
        async with self._shelf.link.news(self._shelf.keys.channel(f"result:{id}")) as news:
            # Looked for only now: what is put from here on is told.
            while (found := await self.get(id)) is None and (left := ends_at - time.monotonic()) > 0:
                await news.wait(left)
        return found

    async def forget(self, ids: Sequence[str], /) -> None:
        """Forget these results."""
        await self._shelf.run("forget", [f"result:{id}" for id in ids])

    async def prune(self) -> int:
        """Return 0: the server forgets by itself."""
        return 0
