"""Batches, as sets of members with a state each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import orjson

from asyncq.drivers.sqlite.database import Database
from asyncq.drivers.sqlite.instants import MICRO, micros
from asyncq.drivers.sqlite.step import Row, Step
from asyncq.drivers.sqlite.stores import outbox
from asyncq.outbox import pack, push_row, unpack
from asyncq.payload import Envelope
from asyncq.records import BatchCounts, BatchPage, BatchRecord, BatchStrike, OutboxRow

__all__ = ["SqliteBatches", "strike"]


def strike(step: Step, ended: BatchStrike) -> list[Envelope]:
    """Count one end of a member; returns the callbacks that are due by it, for the caller to store."""
    values = {"batch": ended.batch, "member": ended.member, "failed": ended.failed, "now": step.now}
    if step.run("batches.end_member", values).rowcount != 1:
        return []
    row = step.row("batches.count", values)
    if row is None:
        return []
    pending, failed, callbacks = row
    holds = {
        "progress": True,
        "then": pending == 0 and failed == 0,
        "catch": ended.failed and failed == 1,
        "failure": ended.failed,
        "finally": pending == 0,
    }
    names = (name for name, due in holds.items() if due)
    return _due(ended.batch, callbacks, names, ended.member)


class SqliteBatches:
    """Batches, for all processes of one host."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, record: BatchRecord, members: Sequence[str], /) -> bool:
        """Store the batch with its members; False where the id was there already."""
        given = tuple(dict.fromkeys(members))
        return await self._database.write(lambda step: _create(step, record, given))

    async def grow(self, batch: str, members: Sequence[str], /, *, by: str | None = None) -> bool:
        """Add members while the batch is unfinished, or for one of its live members."""
        given = tuple(members)

        def work(step: Step) -> bool:
            if step.row("batches.open", {"batch": batch, "by": by}) is None:
                return False
            _add(step, batch, given)
            return True

        return await self._database.write(work)

    async def strike(self, strikes: Sequence[BatchStrike], /) -> Sequence[Envelope]:
        """Count ends of members, and write the callbacks that are now due to the outbox."""
        given = tuple(strikes)
        return await self._database.write(
            lambda step: _write(step, [due for ended in given for due in strike(step, ended)])
        )

    async def cancel(self, batch: str, /) -> bool:
        """Mark the batch as cancelled; False where it was already, or is unknown."""
        return await self._database.write(lambda step: step.run("batches.cancel", (step.now, batch)).rowcount == 1)

    async def get(self, batch: str, /) -> BatchRecord | None:
        """Return the batch with its counts."""

        def work(step: Step) -> BatchRecord | None:
            row = step.row("batches.get", (batch,))
            return None if row is None else _record(step, row)

        return await self._database.read(work)

    async def page(self, /, *, limit: int = 50, offset: int = 0) -> BatchPage:
        """List batches, newest first."""

        def work(step: Step) -> BatchPage:
            records = tuple(_record(step, row) for row in step.rows("batches.page", (limit, offset)))
            return BatchPage(records, (step.row("batches.total") or (0,))[0])

        return await self._database.read(work)

    async def remove(self, batch: str, /) -> bool:
        """Forget one batch."""
        return await self._database.write(lambda step: _remove(step, [batch]) == 1)

    async def prune(
        self, /, *, finished: float | None = None, unfinished: float | None = None, cancelled: float | None = None
    ) -> int:
        """Forget batches older than so many seconds, by kind; None leaves a kind alone."""
        ages = {"finished": finished, "unfinished": unfinished, "cancelled": cancelled}

        def work(step: Step) -> int:
            before = {kind: None if age is None else step.now - micros(age) for kind, age in ages.items()}
            return _remove(step, [row[0] for row in step.rows("batches.old", before)])

        return await self._database.write(work)


def _create(step: Step, record: BatchRecord, members: Sequence[str]) -> bool:
    callbacks = orjson.dumps({name: pack(envelope).decode() for name, envelope in record.callbacks.items()}).decode()
    finished_at = None if members else step.now
    created_at = micros(record.created_at) or step.now
    row = (record.id, record.name, record.options, record.allow_failures, callbacks, created_at, finished_at)
    if step.run("batches.create", row).rowcount != 1:
        return False
    _add(step, record.id, members)
    if not members:
        _write(step, _due(record.id, callbacks, ("then", "finally"), ""))
    return True


def _add(step: Step, batch: str, members: Sequence[str]) -> None:
    added = sum(step.each("batches.member", [(batch, member) for member in members]))
    step.run("batches.grown", {"batch": batch, "added": added})


def _due(batch: str, callbacks: str, names: Iterable[str], member: str) -> list[Envelope]:
    """Return the callbacks of these names, with ids that a repeat gives again."""
    known = orjson.loads(callbacks)
    due: list[Envelope] = []
    for name in names:
        if name in known:
            suffix = f":{member}" if name in {"progress", "failure"} else ""
            due.append(replace(_envelope(known[name]), id=f"batch:{batch}:{name}{suffix}"))
    return due


def _write(step: Step, due: list[Envelope]) -> list[Envelope]:
    outbox.put(step, [push_row(envelope, "") for envelope in due])
    return due


def _envelope(text: str) -> Envelope:
    return cast(Envelope, unpack(OutboxRow("", "push", "", text.encode())))


def _record(step: Step, row: Row) -> BatchRecord:
    id, name, options, allow, callbacks, total, pending, failed, created, finished, cancelled = row
    return BatchRecord(
        id=id,
        name=name,
        options=options,
        allow_failures=bool(allow),
        callbacks={key: _envelope(text) for key, text in orjson.loads(callbacks).items()},
        counts=BatchCounts(total, pending, failed),
        failed_ids=tuple(member for (member,) in step.rows("batches.failures", (id,))) if failed else (),
        created_at=created / MICRO,
        finished_at=None if finished is None else finished / MICRO,
        cancelled_at=None if cancelled is None else cancelled / MICRO,
    )


def _remove(step: Step, ids: Sequence[str]) -> int:
    step.each("batches.remove_members", [(id,) for id in ids])
    return sum(step.each("batches.remove", [(id,) for id in ids]))
