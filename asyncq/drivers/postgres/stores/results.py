"""Results of jobs, for a while."""

from __future__ import annotations

import time
from collections.abc import Sequence

from asyncq.drivers.postgres.ears import Ears
from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import micros
from asyncq.drivers.postgres.ringer import Ringer
from asyncq.drivers.postgres.waiting import until
from asyncq.records import StoredResult

__all__ = ["PostgresResults"]


class PostgresResults:
    """Results, for all who share the schema."""

    def __init__(self, link: Link, ears: Ears, ringer: Ringer) -> None:
        self._link = link
        self._ears = ears
        self._ringer = ringer

    async def put(self, result: StoredResult, /) -> None:
        """Keep a result; a later one of the same id replaces it."""
        await self._link.run("result_put", result.id, result.ttl, micros(result.ttl), result.body)
        self._ringer.ring({f"r:{result.id}"})

    async def get(self, id: str, /) -> StoredResult | None:
        """Return the result if it is still kept."""
        rows = await self._link.run("result_get", id)
        return StoredResult(*rows[0]) if rows else None

    async def wait(self, id: str, /, *, timeout: float) -> StoredResult | None:
        """Return the result as soon as it is there, or None after `timeout` seconds."""
        found: list[StoredResult] = []

        async def look() -> float | None:
            result = await self.get(id)
            if result is not None:
                found.append(result)
            return None if result is None else 0.0

        ends = time.monotonic() + timeout
        while not found and (left := ends - time.monotonic()) > 0:
            await until(look, self._ears, [f"r:{id}"], left, self._link.options.poll)
        return found[0] if found else await self.get(id)

    async def forget(self, ids: Sequence[str], /) -> None:
        """Forget these results."""
        await self._link.run("result_forget", list(ids))

    async def prune(self) -> int:
        """Forget results whose time is over; returns how many."""
        return len(await self._link.once("result_prune"))
