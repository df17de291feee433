"""From a job and its options to an envelope."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import orjson
import pytest

from asyncq import ConfigError, DispatchOptions, Job
from asyncq.codec import Codec
from asyncq.dispatch import Packer
from asyncq.ids import check_id, new_id
from asyncq.job import Request
from asyncq.plugin import Pending
from asyncq.registry import Registry

packer = Packer(Codec(), Registry(), {"default": "default", "reports": "pdf"}, "default")


def pack(job: Job, **options: Any) -> Pending:
    return packer.pack(Request(job, cast("DispatchOptions", options)))


def header(pending: Pending) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", orjson.loads(pending.envelope.body.partition(b"\n")[0]))


class Plain(Job):
    number: int = 0

    async def handle(self) -> None: ...


class Set(Job, queue="mail", tries=3, timeout=2.5, backoff=[1, timedelta(minutes=1)], fail_on_timeout=True, delay=4):
    async def handle(self) -> None: ...


def test_the_outside_holds_what_a_broker_needs_and_no_more() -> None:
    envelope = pack(Plain(number=3)).envelope
    assert envelope.name == f"{__name__}:Plain"
    assert (envelope.queue, envelope.delay, envelope.due_at, envelope.unique) == ("default", 0.0, None, None)
    assert (envelope.group, envelope.tags) == (None, ())
    assert envelope.body.endswith(b'\n{"number":3}')


def test_only_what_differs_from_the_defaults_is_frozen() -> None:
    before = time.time()
    plain = header(pack(Plain()))
    assert set(plain) == {"v", "name", "at"}
    assert before <= plain["at"] <= time.time()
    settings = header(pack(Set()))["settings"]
    assert settings == {"tries": 3, "timeout": 2.5, "backoff": [1.0, 60.0], "fail_on_timeout": True}


def test_the_call_beats_the_class() -> None:
    pending = pack(Set(), queue="x", tries=0, timeout=timedelta(seconds=9), backoff=2, delay=0)
    assert (pending.envelope.queue, pending.envelope.delay) == ("x", 0.0)
    settings = header(pending)["settings"]
    assert (settings["tries"], settings["timeout"], settings["backoff"]) == (0, 9.0, [2.0])


def test_a_connection_brings_its_default_queue() -> None:
    pending = pack(Plain(), connection="reports")
    assert (pending.connection, pending.envelope.queue) == ("reports", "pdf")
    with pytest.raises(ConfigError, match="Plain: no connection is called 'x'; there are 'default', 'reports'"):
        pack(Plain(), connection="x")


def test_an_instant_stays_an_instant_and_a_duration_a_duration() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    assert (pack(Plain(), delay=at).envelope.due_at, pack(Plain(), delay=at).envelope.delay) == (at.timestamp(), 0.0)
    assert pack(Plain(), delay=timedelta(hours=1)).envelope.delay == 3600.0
    assert pack(Set()).envelope.delay == 4.0


class Asks(Job):
    """Every method that is asked at dispatch."""

    number: int

    async def handle(self) -> None: ...

    def tries(self) -> int:
        return self.number

    def retry_until(self) -> datetime | timedelta | float | None:
        return {1: None, 2: 60, 3: timedelta(minutes=1)}.get(self.number, datetime(2030, 1, 1, tzinfo=UTC))

    def tags(self) -> list[str]:
        return [f"n{self.number}"]

    def group(self) -> str:
        return f"g{self.number}"

    def display_name(self) -> str:
        return f"Asks {self.number}"


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_methods_are_asked_once_and_frozen(number: int) -> None:
    now = time.time()
    pending = pack(Asks(number=number))
    top = header(pending)
    assert top["settings"]["tries"] == number
    assert (pending.envelope.tags, pending.envelope.group) == ((f"n{number}",), f"g{number}")
    assert top["ext"] == {"display": f"Asks {number}"}
    until = top["settings"].get("retry_until")
    expected = {1: None, 2: now + 60, 3: now + 60, 4: datetime(2030, 1, 1, tzinfo=UTC).timestamp()}[number]
    assert until == (expected if expected is None else pytest.approx(expected, abs=5))


def test_an_option_beats_a_method() -> None:
    pending = pack(Asks(number=2), tries=9, tags=["x"], group="y")
    assert header(pending)["settings"]["tries"] == 9
    assert (pending.envelope.tags, pending.envelope.group) == (("x",), "y")


def test_retry_for_is_an_instant_in_the_payload() -> None:
    class Lasts(Job, retry_for=60):
        async def handle(self) -> None: ...

    assert header(pack(Lasts()))["settings"]["retry_until"] == pytest.approx(time.time() + 60, abs=5)


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ("3", TypeError, "tries takes a whole number"),
        (-1, ValueError, "tries takes 0"),
        (True, TypeError, "tries takes a whole number"),
    ],
    ids=["a text", "below 0", "a truth"],
)
def test_a_method_that_answers_nonsense_is_refused(answer: Any, error: type[Exception], text: str) -> None:
    class Wrong(Job):
        async def handle(self) -> None: ...

        def tries(self) -> Any:
            return answer

    with pytest.raises(error, match=rf"Wrong: {text}"):
        pack(Wrong())


def test_a_retry_until_without_a_zone_is_refused() -> None:
    class Wrong(Job):
        async def handle(self) -> None: ...

        def retry_until(self) -> datetime:
            return datetime(2030, 1, 1)  # noqa: DTZ001 - the mistake under test

    with pytest.raises(ConfigError, match=r"retry_until=.*has no time zone; write datetime"):
        pack(Wrong())


def test_a_misspelt_option_of_dispatch_options_is_refused() -> None:
    class Wrong(Job):
        async def handle(self) -> None: ...

        def dispatch_options(self) -> DispatchOptions:
            return cast("DispatchOptions", {"quue": "x"})

    with pytest.raises(TypeError, match="unknown option 'quue'; did you mean 'queue'"):
        pack(Wrong())


def test_ids_ascend_and_are_of_version_7() -> None:
    ids = [new_id() for _ in range(2000)]
    assert ids == sorted(set(ids))
    pattern = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
    assert all(pattern.fullmatch(id) for id in ids)
    assert abs(int(ids[0][:8] + ids[0][9:13], 16) / 1000 - time.time()) < 60


@pytest.mark.parametrize("id", ["a", "order:7", "a.b-c_d", "x" * 200])
def test_ids_of_ones_own_are_taken(id: str) -> None:
    assert check_id(id) == id


@pytest.mark.parametrize("id", ["", "a b", "ä", "a/b", "x" * 201, "a\n"], ids=ascii)
def test_other_ids_are_refused(id: str) -> None:
    with pytest.raises(ConfigError, match="an id is a text of 1 to 200 letters"):
        check_id(id)
