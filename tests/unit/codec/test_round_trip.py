"""Arguments come back exactly as they were, or are refused at dispatch."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncq import AsyncQ, Job, JobContext
from asyncq.codec import Codec
from asyncq.errors import EncodeError
from asyncq.payload import Payload, Reservation
from tests.behaviour.looking import empty
from tests.unit.codec.sameness import identical
from tests.unit.codec.shapes import KINDS

SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large]
quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=SLOW)
codec = Codec()


def through(job: Job) -> Job:
    """Encode a job, and decode the bytes as a worker does."""
    payload = Payload("id", "default", "It", 0.0, {}, codec.arguments(job))
    body = codec.body(payload)
    opened = codec.open(Reservation("id", "default", "It", "t", 1, 0, 0, body, 0.0))
    return codec.decode(type(job), opened)


@pytest.mark.parametrize("name", KINDS)
@quick
@given(data=st.data())
def test_every_value_comes_back_or_is_refused(name: str, data: st.DataObject) -> None:
    kind = KINDS[name]
    value = data.draw(kind.values)
    try:
        back = through(kind.cls(it=value))
    except EncodeError as error:
        assert kind.refusals, error
        assert "It.it" in str(error)
    else:
        assert identical(value, cast("Any", back).it)


@pytest.mark.parametrize(
    "value",
    [
        2**64 + 1,
        -(2**64) - 1,
        float("nan"),
        float("inf"),
        float("-inf"),
        -0.0,
        "\0",
        "\U0001f600",
        "\u2028\n\r",
        b"\xff\xfe\n",
    ],
    ids=repr,
)
def test_the_famous_ones_come_back(value: Any) -> None:
    name = {int: "int", float: "float", str: "str", bytes: "bytes"}[type(value)]
    assert identical(value, cast("Any", through(KINDS[name].cls(it=value))).it)


@quick
@given(value=KINDS["nested dataclass"].values)
def test_the_arguments_are_one_line(value: Any) -> None:
    """The header ends at the first newline."""
    assert b"\n" not in codec.arguments(KINDS["nested dataclass"].cls(it=value))


SAFE = [name for name, kind in KINDS.items() if not kind.refusals]
"""Kinds of which every value travels."""


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(data=st.data())
def test_through_a_file_and_a_worker_they_come_back_too(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    values = {name: data.draw(KINDS[name].values) for name in SAFE}
    back: dict[str, Any] = {}

    async def note(ctx: JobContext, call_next: Any, /) -> Any:
        back[ctx.id] = cast("Any", ctx.job).it
        return await call_next(ctx)

    async def main(path: Path) -> None:
        app = AsyncQ(f"sqlite:///{path}", middleware=[note])
        async with app, app.worker("default"):
            for index, name in enumerate(SAFE):
                await app.dispatch_many([KINDS[name].cls(it=values[name])], id=f"{index}")
            await empty(app, within=20)

    asyncio.run(main(tmp_path_factory.mktemp("queue") / "queue.db"))
    assert len(back) == len(SAFE)
    for index, name in enumerate(SAFE):
        assert identical(values[name], back[f"{index}"]), name
