"""What today's version writes must be read tomorrow: bodies as files, decoded and written again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import orjson
import pytest

from asyncq import Job, field, job
from asyncq.codec import VERSION, Codec
from asyncq.payload import Payload, Reservation
from tests.unit.codec.sameness import identical

GOLDEN = Path(__file__).with_name("golden")


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: float
    y: bytes


class Plain(Job, name="golden:Plain"):
    to: str
    body: str = ""

    async def handle(self) -> None: ...


class Everything(Job, name="golden:Everything"):
    text: str
    number: int
    nan: float
    endless: float
    blob: bytes
    blobs: dict[str, list[bytes]]
    price: Decimal
    id: UUID
    colour: Colour
    naive: datetime
    zoned: datetime
    day: date
    span: timedelta
    pair: tuple[int, str]
    tags: set[str]
    place: Path
    maybe: int | None
    either: int | str
    point: Point
    anything: Any
    items: list[int] = field(default_factory=list[int])

    async def handle(self) -> None: ...


@job(name="golden:send")
async def send(to: str, /, count: int = 1, *, urgent: bool = False) -> None: ...


EVERYTHING = Everything(
    text="grün \u2028 \U0001f600 \0",
    number=2**64 + 1,
    nan=float("nan"),
    endless=float("-inf"),
    blob=bytes(range(256)),
    blobs={"a": [b"\xff", b""]},
    price=Decimal("1.10"),
    id=UUID(int=7),
    colour=Colour.RED,
    naive=datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001 - a value that travels as it is
    zoned=datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    day=date(2026, 2, 28),
    span=timedelta(days=-1, microseconds=3),
    pair=(1, "b"),
    tags={"one"},
    place=Path("a/b"),
    maybe=None,
    either="7",
    point=Point(0.1, b"\x00"),
    anything={"list": [1, 2.5, None, True, "x"]},
)
FROZEN = {"tries": 5, "timeout": 2.5, "backoff": [1.0, 10.0], "max_exceptions": 2, "max_crashes": 1, "retry_until": 9e9}

WRITTEN: Mapping[str, tuple[Job, Payload]] = {
    "plain": (Plain(to="ada"), Payload("1", "default", "golden:Plain", 1.5, {}, b"")),
    "everything": (EVERYTHING, Payload("2", "mail", "golden:Everything", 1795000000.25, {}, b"")),
    "frozen": (Plain(to="ada", body="hi"), Payload("3", "default", "golden:Plain", 2.0, FROZEN, b"")),
    "function": (send.bind("bob", 2, urgent=True).job, Payload("4", "default", "golden:send", 3.0, {}, b"")),
    "extended": (
        Plain(to="eve"),
        Payload(
            "5",
            "default",
            "golden:Plain",
            4.0,
            {},
            b"",
            batch="b1",
            context={"trace": "00-ab"},
            ext={"display": "Mail"},
        ),
    ),
}
codec = Codec()


def body_of(name: str) -> bytes:
    made, payload = WRITTEN[name]
    return codec.body(
        Payload(
            payload.id,
            payload.queue,
            payload.name,
            payload.dispatched_at,
            payload.settings,
            codec.arguments(made),
            payload.chain,
            payload.batch,
            payload.context,
            payload.ext,
        )
    )


def opened(name: str, payload: Payload) -> Payload:
    raw = cast("Mapping[str, Any]", orjson.loads((GOLDEN / f"{name}.json").read_bytes()))
    body = "\n".join(raw["body"]).encode()
    return codec.open(Reservation(payload.id, payload.queue, payload.name, "t", 1, 0, 0, body, 0.0))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_stored_body_is_read_as_it_was_meant(name: str) -> None:
    made, expected = WRITTEN[name]
    payload = opened(name, expected)
    for item in ("name", "dispatched_at", "settings", "chain", "batch", "context", "ext"):
        assert getattr(payload, item) == getattr(expected, item), item
    assert identical(made, codec.decode(type(made), payload))


@pytest.mark.parametrize("name", WRITTEN)
def test_today_writes_what_the_file_holds(name: str) -> None:
    """Where this fails on purpose: add a file, keep the old one, and think of workers that are a version behind."""
    raw = cast("Mapping[str, Any]", orjson.loads((GOLDEN / f"{name}.json").read_bytes()))
    assert body_of(name).decode().split("\n") == raw["body"]


def test_every_file_is_tested() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(WRITTEN)
    assert VERSION == 1


def test_zones_come_back_as_their_offset() -> None:
    payload = opened("everything", WRITTEN["everything"][1])
    zoned = cast("Everything", codec.decode(Everything, payload)).zoned
    assert zoned.utcoffset() == timedelta(hours=5, minutes=45)
    assert zoned == datetime(2026, 7, 1, 6, 15, tzinfo=UTC)
