"""Rows of the outbox carry every effect there and back."""

from __future__ import annotations

from typing import Literal

import pytest

from asyncq.outbox import Effect, pack, push_row, unpack
from asyncq.payload import Envelope, Unique
from asyncq.records import BatchStrike, FailedJob, OutboxRow, StoredResult

BODY = b"{}\n\xff\x00"
ENVELOPE = Envelope("a", "q", "app:Work", BODY, 1.5, 2.5, Unique("key", 3.0), "group", ("one", "two"))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("push", ENVELOPE),
        ("push", Envelope("a", "q", "app:Work", BODY)),
        ("strike", BatchStrike("batch", "member", failed=True, error="ValueError: no")),
        ("failed", FailedJob("a", "main", "q", "app:Work", BODY, "ValueError", "trace", 5.0, tags=("one",))),
        ("result", StoredResult("a", b"[1]", 60.0)),
        ("unlock", ("key", "owner")),
    ],
)
def test_an_effect_comes_out_as_it_went_in(
    kind: Literal["push", "strike", "failed", "result", "unlock"], value: Effect
) -> None:
    assert unpack(OutboxRow("row", kind, "main", pack(value))) == value


def test_the_row_of_an_envelope_has_an_id_of_its_own() -> None:
    row = push_row(ENVELOPE, "main")
    assert (row.id, row.kind, row.target, unpack(row)) == ("push:a", "push", "main", ENVELOPE)
