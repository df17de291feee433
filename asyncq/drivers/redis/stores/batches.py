"""Batches, as sets of members with a state each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, cast

from asyncq.drivers.redis.micros import MICRO, micros
from asyncq.drivers.redis.stores.shelf import Shelf
from asyncq.drivers.redis.wire import Argument, placed
from asyncq.outbox import pack, unpack
from asyncq.payload import Envelope
from asyncq.records import BatchCounts, BatchPage, BatchRecord, BatchStrike, OutboxRow

__all__ = ["RedisBatches"]

_MARK: Final = b'"?"'


class RedisBatches:
    """Batches, for all clients of one server."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def create(self, record: BatchRecord, members: Sequence[str], /) -> bool:
        """Store the batch with its members; False where the id was there already."""
        callbacks = [field for name, envelope in record.callbacks.items() for field in self._callback(name, envelope)]
        fields: list[Argument] = [
            record.id,
            "" if record.name is None else f"={record.name}",
            record.options,
            int(record.allow_failures),
            micros(record.created_at) or "",
            len(record.callbacks),
        ]
        return bool(await self._shelf.run("batch_create", [*fields, *callbacks, *members]))

    async def grow(self, batch: str, members: Sequence[str], /, *, by: str | None = None) -> bool:
        """Add members while the batch is unfinished, or for one of its live members."""
        return bool(await self._shelf.run("batch_grow", [batch, by or "", *members]))

    async def strike(self, strikes: Sequence[BatchStrike], /) -> Sequence[Envelope]:
        """Count ends of members, and write the callbacks that are now due to the outbox."""
        fields = [field for one in strikes for field in (one.batch, one.member, int(one.failed))]
        return [_envelope(body) for body in await self._shelf.run("batch_strike", fields)]

    async def cancel(self, batch: str, /) -> bool:
        """Mark the batch as cancelled; False where it was already, or is unknown."""
        return bool(await self._shelf.run("batch_cancel", [batch]))

    async def get(self, batch: str, /) -> BatchRecord | None:
        """Return the batch with its counts."""
        found = await self._shelf.run("batch_get", [batch])
        return _record(found[0]) if found else None

    async def page(self, /, *, limit: int = 50, offset: int = 0) -> BatchPage:
        """List batches, newest first."""
        index = f"{self._shelf.keys.root}batches"
        total = await self._shelf.link.command("ZCARD", index)
        ids: list[bytes] = []
        if limit > 0:
            ids = await self._shelf.link.command("ZREVRANGE", index, offset, offset + limit - 1)
        found: list[Any] = await self._shelf.run("batch_get", ids) if ids else []
        return BatchPage(tuple(map(_record, found)), total)

    async def remove(self, batch: str, /) -> bool:
        """Forget one batch."""
        return bool(await self._shelf.run("batch_remove", [batch]))

    async def prune(
        self, /, *, finished: float | None = None, unfinished: float | None = None, cancelled: float | None = None
    ) -> int:
        """Forget batches older than so many seconds, by kind; None leaves a kind alone."""
        ages = ["" if age is None else micros(age) for age in (finished, unfinished, cancelled)]
        count, offset, looked = 0, 0, True
        while looked:
            gone, left = await self._shelf.run("batch_prune", [offset, *ages])
            count, offset, looked = count + gone, offset + left, gone + left > 0
        return count

    def _callback(self, name: str, envelope: Envelope) -> list[Argument]:
        """Pack a callback as a job and as an outbox row, both without the id, which only its end decides."""
        before, _, after = pack(replace(envelope, id=_MARK[1:-1].decode())).partition(_MARK)
        kind, due, key, life, rec = placed(envelope)
        base = self._shelf.keys.base(envelope.queue)
        origin = pack(replace(envelope, id=envelope.id))[len(before) :][: -len(after)]
        return [name, base, envelope.queue, kind, due, key, life, rec, before, origin, after]


def _envelope(body: bytes) -> Envelope:
    return cast(Envelope, unpack(OutboxRow("", "push", "", body)))


def _record(found: Any) -> BatchRecord:
    id, pairs, failures = found
    fields: Mapping[bytes, bytes] = dict(zip(pairs[::2], pairs[1::2], strict=True))
    places = {member: int(place) for member, place in zip(failures[::2], failures[1::2], strict=True)}
    name = fields[b"name"].decode()
    return BatchRecord(
        id=id.decode(),
        name=name[1:] if name else None,
        options=fields[b"options"],
        allow_failures=fields[b"allow"] == b"1",
        callbacks={key[3:].decode(): _envelope(body) for key, body in fields.items() if key.startswith(b"cb:")},
        counts=BatchCounts(int(fields[b"total"]), int(fields[b"pending"]), int(fields[b"failed"])),
        failed_ids=tuple(member.decode() for member in sorted(places, key=lambda member: places[member])),
        created_at=int(fields[b"created"]) / MICRO,
        finished_at=_instant(fields.get(b"finished")),
        cancelled_at=_instant(fields.get(b"cancelled")),
    )


def _instant(text: bytes | None) -> float | None:
    return None if text is None else int(text) / MICRO
