"""The bytes of an outbox row: the values of `Effects` on their way to a store that their writer does not own."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from asyncq.payload import Envelope, Unique
from asyncq.records import BatchStrike, FailedJob, OutboxRow, StoredResult

__all__ = ["Effect", "pack", "push_row", "unpack"]

Effect = Envelope | BatchStrike | FailedJob | StoredResult | tuple[str, str]
"""What a row carries; the pair is a lock to free, as (key, owner)."""


def pack(value: Effect) -> bytes:
    """Encode one effect as JSON, in the form that `unpack` reads."""
    return orjson.dumps(value, default=_bytes)


def unpack(row: OutboxRow) -> Effect:
    """Decode the effect of a row, by the row's kind."""
    return _READERS[row.kind](orjson.loads(row.body))


def push_row(envelope: Envelope, target: str) -> OutboxRow:
    """Make the row that pushes an envelope; its id comes from the envelope's."""
    return OutboxRow(f"push:{envelope.id}", "push", target, pack(envelope))


def _bytes(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"an outbox row cannot carry {value!r}")


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Undo what JSON does to bytes and tuples."""
    plain = dict(data)
    if "body" in plain:
        plain["body"] = b64decode(plain["body"])
    if "tags" in plain:
        plain["tags"] = tuple(plain["tags"])
    return plain


def _envelope(data: Mapping[str, Any]) -> Envelope:
    plain = _plain(data)
    if plain["unique"]:
        plain["unique"] = Unique(**plain["unique"])
    return Envelope(**plain)


_READERS: Mapping[str, Callable[[Any], Effect]] = {
    "push": _envelope,
    "strike": lambda data: BatchStrike(**data),
    "failed": lambda data: FailedJob(**_plain(data)),
    "result": lambda data: StoredResult(**_plain(data)),
    "unlock": lambda data: (data[0], data[1]),
}
