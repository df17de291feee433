"""What cannot travel is refused at dispatch, by job, field, type and the way out."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, cast

import pytest
from pydantic import AfterValidator, BaseModel

from asyncq import Job, field
from asyncq.codec import Codec
from asyncq.errors import ConfigError, DecodeError, EncodeError, UnknownJob
from asyncq.payload import Payload, Reservation

if TYPE_CHECKING:
    from fractions import Fraction

codec = Codec()


class Opaque:
    """A class that pydantic knows nothing of."""


class Model(BaseModel):
    raw: bytes


@dataclass
class Point:
    x: int


class Typed(Job):
    number: int = 0
    text: str = ""
    price: Decimal = Decimal(0)
    at: datetime | None = None
    points: list[Point] = field(default_factory=list[Point])
    anything: Any = None
    secret: str = field(default="", redact=True)
    hidden: Any = field(default=None, redact=True)
    model: Model | None = None

    async def handle(self) -> None: ...


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a text for a number": ({"number": "x"}, r"Typed\.number: .*integer.*'x'"),
    "a number for a text": ({"text": 3}, r"Typed\.text: .*string.*got 3"),
    "half a number": ({"number": 1.5}, r"Typed\.number"),
    "Decimal NaN": ({"price": Decimal("NaN")}, r"Typed\.price: .*finite"),
    "no datetime": ({"at": "yesterday"}, r"Typed\.at"),
    "a wrong field deep inside": ({"points": [Point(1), Point("x")]}, r"Typed\.points\.1\.x: .*integer"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the mistake under test
    "a set": ({"anything": {1}}, r"Typed\.anything: \{1\} would come back as \[1\]; annotate"),
    "a tuple": ({"anything": (1,)}, r"Typed\.anything: \(1,\) would come back as \[1\]"),
    "a set deep inside": ({"anything": {"a": [{1}]}}, r"Typed\.anything"),
    "a datetime in Any": ({"anything": datetime(2026, 1, 1)}, r"Typed\.anything"),  # noqa: DTZ001 - a value under test
    "a number as a key": ({"anything": {1: 2}}, r"Typed\.anything"),
    "a lock": ({"anything": threading.Lock()}, r"Typed\.anything: .*annotate the field with a type that JSON can hold"),
    "a lambda": ({"anything": lambda: None}, r"Typed\.anything"),
    "an object": ({"anything": Opaque()}, r"Typed\.anything"),
    "a lone surrogate": ({"text": "\ud800"}, r"Typed\.text"),
    "bytes in Any that are no text": ({"anything": b"\xff"}, r"Typed\.anything"),
    "bytes in Any": ({"anything": b"abc"}, r"Typed\.anything: b'abc' would come back as 'abc'"),
    "bytes of a model that are no text": ({"model": Model(raw=b"\xff")}, r"Typed\.model"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_it_is_refused_by_name(kind: str) -> None:
    arguments, text = REFUSED[kind]
    with pytest.raises(EncodeError, match=text):
        codec.arguments(Typed(**arguments))


@pytest.mark.parametrize("arguments", [{"secret": 3_141_592}, {"hidden": {3_141_592}}], ids=["a type", "a set"])
def test_a_redacted_value_is_in_no_message(arguments: dict[str, Any]) -> None:
    with pytest.raises(EncodeError, match=r"\(redacted\)") as caught:
        codec.arguments(Typed(**arguments))
    assert "3141592" not in str(caught.value)


def test_a_field_that_was_set_after_the_making_is_checked_too() -> None:
    job = Typed()
    job.number = "x"  # type: ignore[assignment]  # pyright: ignore[reportAttributeAccessIssue]  # the mistake under test
    with pytest.raises(EncodeError, match=r"Typed\.number"):
        codec.arguments(job)


def test_a_type_that_pydantic_does_not_know_is_refused_at_the_first_dispatch() -> None:
    class Odd(Job):
        it: Opaque

        async def handle(self) -> None: ...

    with pytest.raises(ConfigError, match=r"Odd: a field's type cannot travel: .*Opaque.*Or pass an id"):
        codec.arguments(Odd(it=Opaque()))


def test_a_name_that_is_imported_for_type_checkers_only_is_named() -> None:
    class Odd(Job):
        it: Fraction

        async def handle(self) -> None: ...

    with pytest.raises(ConfigError, match=r"names 'Fraction'.*import it in .*not only under TYPE_CHECKING"):
        codec.arguments(Odd(it=cast("Any", 1)))


def test_a_local_type_is_found() -> None:
    @dataclass
    class Local:
        x: int

    class Uses(Job):
        it: Local

        async def handle(self) -> None: ...

    assert codec.arguments(Uses(it=Local(1))) == b'{"it":{"x":1}}'


def test_a_validator_that_changes_a_value_changes_what_travels() -> None:
    class Upper(Job):
        it: Annotated[str, AfterValidator(str.upper)]

        async def handle(self) -> None: ...

    job = Upper(it="a")
    assert codec.arguments(job) == b'{"it":"A"}'
    assert job.it == "a"


def test_a_default_travels_so_that_a_later_default_does_not_change_the_job() -> None:
    assert b'"number":0' in codec.arguments(Typed())


# --- bodies ---


def reservation(body: bytes) -> Reservation:
    return Reservation("i", "q", "n", "t", 1, 0, 0, body, 0.0)


BODIES: dict[str, tuple[bytes, type[Exception], str]] = {
    "nothing": (b"", DecodeError, "has no arguments"),
    "noise": (b"\x80\n", DecodeError, "no readable header"),
    "a header without a version": (b'{"name":"n","at":1}\n{}', DecodeError, "KeyError: 'v'"),
    "a header without a name": (b'{"v":1,"at":1}\n{}', DecodeError, "KeyError: 'name'"),
    "a later version": (b'{"v":2,"name":"n"}\n{}', UnknownJob, "version 2 .*this worker reads 1; update the worker"),
    "a version that is a text": (b'{"v":"1","name":"n"}\n{}', UnknownJob, "version '1'"),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_that_cannot_be_opened_says_why(kind: str) -> None:
    body, error, text = BODIES[kind]
    with pytest.raises(error, match=text) as caught:
        codec.open(reservation(body))
    assert "i (n)" in str(caught.value)


def decode(arguments: bytes) -> Callable[[], Job]:
    payload = Payload("i", "q", "n", 0.0, {}, arguments)
    return lambda: codec.decode(Typed, payload)


@pytest.mark.parametrize(
    "arguments", [b"", b"{", b"[]", b'{"number":"x"}', b'{"numbr":1}', b"null"], ids=lambda raw: str(raw) or "nothing"
)
def test_arguments_that_do_not_fit_say_the_job_and_the_class(arguments: bytes) -> None:
    with pytest.raises(DecodeError, match="job i: its arguments do not fit Typed"):
        decode(arguments)()


def test_a_header_that_cannot_be_written_is_refused() -> None:
    payload = Payload("i", "q", "n", 0.0, {}, b"{}", ext={"x": object()})
    with pytest.raises(EncodeError, match="n: the header cannot be encoded"):
        codec.body(payload)
