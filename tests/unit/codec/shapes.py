"""Job classes whose arguments are of every kind that may travel, and what hypothesis may put into them."""

from __future__ import annotations

import enum
import itertools
import types
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from asyncq import Job

__all__ = ["KINDS", "Kind"]


class Colour(enum.Enum):
    RED = "red"
    GREEN = "grün"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2**40


class Flag(enum.Flag):
    A = 1
    B = 2


class Mixed(enum.Enum):
    ONE = 1
    TWO = "1"


@dataclass
class Point:
    x: float
    y: int = 0
    note: bytes = b""


@dataclass(frozen=True)
class Line:
    start: Point
    ends: list[Point] = field(default_factory=list[Point])


class Address(BaseModel):
    street: str
    raw: bytes = b""
    since: datetime | None = None


class Options(TypedDict, total=False):
    size: int
    name: str


class Pair(NamedTuple):
    left: int
    right: str


@dataclass(frozen=True)
class Kind:
    """One annotation, as a job class with the field `it`, and values for it."""

    cls: Any
    values: st.SearchStrategy[Any]
    refusals: bool = False
    """True where some of the values may be refused at dispatch."""


NUMBERS = itertools.count()


def kind(annotation: Any, values: st.SearchStrategy[Any], *, refusals: bool = False) -> Kind:
    """Make the class of one annotation."""

    async def handle(self: Any) -> None: ...

    body = {"__annotations__": {"it": annotation}, "handle": handle, "__module__": __name__}
    return Kind(
        types.new_class("It", (Job,), {"name": f"it {next(NUMBERS)}"}, lambda ns: ns.update(body)), values, refusals
    )


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ANY_TEXT = st.text(st.characters())
BYTES = st.binary(max_size=80)
FLOATS = st.floats()
HUGE = st.integers() | st.integers(2**63 - 2, 2**65) | st.just(2**64 + 1) | st.integers(-(10**80), 10**80)
ZONES = st.timezones() | st.sampled_from(
    [zoneinfo.ZoneInfo("UTC"), zoneinfo.ZoneInfo("Europe/Berlin"), zoneinfo.ZoneInfo("Asia/Kathmandu")]
)
INSTANTS = st.datetimes(timezones=ZONES)
JSON = st.recursive(
    st.none() | st.booleans() | HUGE | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
ODD = st.recursive(
    JSON | BYTES | st.decimals() | st.dates() | st.uuids() | st.sampled_from(Colour),
    lambda inner: (
        st.lists(inner, max_size=3) | st.tuples(inner) | st.dictionaries(TEXTS | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)


def declared(options: dict[str, Any]) -> dict[str, Any]:
    """Put the keys into the order of the type, in which they come back."""
    return {key: options[key] for key in ("size", "name") if key in options}


POINTS = st.builds(Point, x=FLOATS, y=HUGE, note=BYTES)

KINDS: Mapping[str, Kind] = {
    "str": kind(str, TEXTS),
    "str with surrogates": kind(str, ANY_TEXT, refusals=True),
    "int": kind(int, HUGE),
    "float": kind(float, FLOATS),
    "bool": kind(bool, st.booleans()),
    "bytes": kind(bytes, BYTES),
    "nested bytes": kind(dict[str, list[bytes]], st.dictionaries(TEXTS, st.lists(BYTES, max_size=3), max_size=3)),
    "deeply nested bytes": kind(
        list[tuple[bytes, list[bytes | None]]],
        st.lists(st.tuples(BYTES, st.lists(BYTES | st.none(), max_size=2)), max_size=3),
    ),
    "Decimal": kind(Decimal, st.decimals(), refusals=True),
    "finite Decimal": kind(Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    "UUID": kind(UUID, st.uuids()),
    "text enum": kind(Colour, st.sampled_from(Colour)),
    "int enum": kind(Level, st.sampled_from(Level)),
    "mixed enum": kind(Mixed, st.sampled_from(Mixed)),
    "flag": kind(Flag, st.sampled_from(Flag)),
    "naive datetime": kind(datetime, st.datetimes()),
    "zoned datetime": kind(datetime, INSTANTS, refusals=True),
    "recent zoned datetime": kind(datetime, st.datetimes(datetime(1975, 1, 1), datetime(2200, 1, 1), timezones=ZONES)),  # noqa: DTZ001 - the zone comes from the strategy
    "date": kind(date, st.dates()),
    "time": kind(time, st.times()),
    "zoned time": kind(time, st.times(timezones=ZONES), refusals=True),
    "timedelta": kind(timedelta, st.timedeltas(), refusals=True),
    "short timedelta": kind(timedelta, st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))),
    "Path": kind(Path, st.builds(Path, st.sampled_from(["/tmp/a", "b/ü", ".", "c d"]))),  # noqa: S108 - a value, never opened
    "list": kind(list[int], st.lists(HUGE, max_size=5)),
    "tuple": kind(tuple[int, str, bytes], st.tuples(HUGE, TEXTS, BYTES)),
    "tuple of any length": kind(tuple[float, ...], st.lists(FLOATS, max_size=4).map(tuple)),
    "set": kind(set[int], st.sets(HUGE, max_size=5)),
    "frozenset": kind(frozenset[str], st.frozensets(TEXTS, max_size=5)),
    "dict": kind(dict[str, float], st.dictionaries(TEXTS, FLOATS, max_size=4)),
    "dict with int keys": kind(dict[int, str], st.dictionaries(HUGE, TEXTS, max_size=4), refusals=True),
    "dict with UUID keys": kind(dict[UUID, int], st.dictionaries(st.uuids(), HUGE, max_size=3), refusals=True),
    "optional": kind(int | None, HUGE | st.none()),
    "int or str": kind(int | str, HUGE | TEXTS, refusals=True),
    "int or float": kind(int | float, HUGE | FLOATS, refusals=True),
    "bytes or str": kind(bytes | str, BYTES | TEXTS, refusals=True),
    "date or datetime": kind(date | datetime, st.dates() | st.datetimes(), refusals=True),
    "Decimal or float": kind(Decimal | float, st.decimals() | FLOATS, refusals=True),
    "str or UUID": kind(str | UUID, TEXTS | st.uuids(), refusals=True),
    "Literal": kind(Literal["a", "b"], st.sampled_from(["a", "b"])),
    "mixed Literal": kind(Literal["a", 1, True], st.sampled_from(["a", 1]), refusals=True),
    "constrained": kind(Annotated[int, Field(ge=0)], st.integers(0, 2**70)),
    "dataclass": kind(Point, POINTS),
    "nested dataclass": kind(Line, st.builds(Line, start=POINTS, ends=st.lists(POINTS, max_size=2))),
    "model": kind(
        Address, st.builds(Address, street=TEXTS, raw=BYTES, since=st.none() | st.datetimes()), refusals=True
    ),
    "TypedDict": kind(Options, st.fixed_dictionaries({}, optional={"size": HUGE, "name": TEXTS}).map(declared)),
    "NamedTuple": kind(Pair, st.builds(Pair, left=HUGE, right=TEXTS), refusals=True),
    "Any with JSON": kind(Any, JSON, refusals=True),
    "Any with what it may not hold": kind(Any, ODD, refusals=True),
    "bare dict": kind(dict, st.dictionaries(TEXTS | st.integers(), ODD, max_size=3), refusals=True),
    "bare list": kind(list, st.lists(ODD, max_size=3), refusals=True),
    "PurePosixPath": kind(PurePosixPath, st.builds(PurePosixPath, st.sampled_from(["a/b", "/"])), refusals=True),
}
