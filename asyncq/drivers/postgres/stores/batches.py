"""Batches, as sets of members with a state each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import orjson

from asyncq.drivers.postgres.link import Link
from asyncq.drivers.postgres.micros import MICRO, micros, micros_or_none
from asyncq.drivers.postgres.ringer import Ringer
from asyncq.drivers.postgres.texts import stored, unstored
from asyncq.outbox import pack, unpack
from asyncq.payload import Envelope
from asyncq.records import BatchCounts, BatchPage, BatchRecord, BatchStrike, OutboxRow

__all__ = ["PostgresBatches"]


class PostgresBatches:
    """Batches, for all who share the schema."""

    def __init__(self, link: Link, ringer: Ringer) -> None:
        self._link = link
        self._ringer = ringer

    async def create(self, record: BatchRecord, members: Sequence[str], /) -> bool:
        """Store the batch with its members; False where the id was there already."""
        callbacks = orjson.dumps({name: pack(envelope).decode() for name, envelope in record.callbacks.items()})
        rows = await self._link.once(
            "batch_create", record.id, record.name and stored(record.name), record.options, record.allow_failures,
            callbacks.decode(), micros(record.created_at), list(dict.fromkeys(members)),
        )  # fmt: skip
        self._ringer.ring({"o:"})
        return bool(rows[0][0])

    async def grow(self, batch: str, members: Sequence[str], /, *, by: str | None = None) -> bool:
        """Add members while the batch is unfinished, or for one of its live members."""
        return bool((await self._link.once("batch_grow", batch, list(members), by))[0][0])

    async def strike(self, strikes: Sequence[BatchStrike], /) -> Sequence[Envelope]:
        """Count ends of members, and write the callbacks that are now due to the outbox."""
        if not strikes:
            return []
        columns: list[list[Any]] = [
            [one.batch for one in strikes],
            [one.member for one in strikes],
            [one.failed for one in strikes],
        ]
        due = [_envelope(row[0]) for row in await self._link.once("batch_strike", *columns)]
        if due:
            self._ringer.ring({"o:"})
        return due

    async def cancel(self, batch: str, /) -> bool:
        """Mark the batch as cancelled; False where it was already, or is unknown."""
        return bool(await self._link.once("batch_cancel", batch))

    async def get(self, batch: str, /) -> BatchRecord | None:
        """Return the batch with its counts."""
        rows = await self._link.run("batch_get", batch)
        return _record(rows[0]) if rows else None

    async def page(self, /, *, limit: int = 50, offset: int = 0) -> BatchPage:
        """List batches, newest first."""
        rows = await self._link.run("batch_page", limit, offset)
        return BatchPage(tuple(map(_record, rows)), (await self._link.run("batch_total"))[0][0])

    async def remove(self, batch: str, /) -> bool:
        """Forget one batch."""
        return await self._remove([batch]) == 1

    async def prune(
        self, /, *, finished: float | None = None, unfinished: float | None = None, cancelled: float | None = None
    ) -> int:
        """Forget batches older than so many seconds, by kind; None leaves a kind alone."""
        ages = map(micros_or_none, (finished, unfinished, cancelled))
        old = [row[0] for row in await self._link.run("batch_old", *ages)]
        return await self._remove(old)

    async def _remove(self, batches: Sequence[str]) -> int:
        return int((await self._link.once("batch_remove", list(batches)))[0][0])


def _envelope(text: str) -> Envelope:
    return cast(Envelope, unpack(OutboxRow("", "push", "", text.encode())))


def _record(row: Any) -> BatchRecord:
    id, name, options, allow, callbacks, total, pending, failed, created, finished, cancelled, failures = row
    return BatchRecord(
        id=id,
        name=name and unstored(name),
        options=options,
        allow_failures=allow,
        callbacks={key: _envelope(text) for key, text in orjson.loads(callbacks).items()},
        counts=BatchCounts(total, pending, failed),
        failed_ids=tuple(failures),
        created_at=created / MICRO,
        finished_at=None if finished is None else finished / MICRO,
        cancelled_at=None if cancelled is None else cancelled / MICRO,
    )
