"""A look begins where the living part of a queue begins, and yet finds what appears before that."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import anyio
import asyncpg
import pytest

from asyncq.contracts import Installable, Transactional
from asyncq.drivers import connect
from asyncq.drivers.postgres.heads import Heads
from asyncq.testing.conformance.jobs import ids, job
from asyncq.transactions.adapting import adapt
from tests.support.shared import Shared

ROW: dict[str, Any] = {"o_now": 100_000_000, "heads": [None], "reclaimed": 0}


def test_a_look_begins_where_the_one_before_ended() -> None:
    heads = Heads(30.0)
    heads.learn(["q"], heads.view(["q"]), ROW)
    found = heads.view(["q"]).heads
    assert found is not None and 0 < found[0] < ROW["o_now"]


def test_what_is_forgotten_while_a_turn_is_under_way_stays_forgotten() -> None:
    heads = Heads(30.0)
    heads.learn(["q"], heads.view(["q"]), ROW)
    view = heads.view(["q"])
    heads.forget(["q"])
    heads.learn(["q"], view, ROW)
    assert heads.view(["q"]).heads == [0]
    heads.learn(["q"], heads.view(["q"]), ROW)
    assert heads.view(["q"]).heads != [0]


@pytest.mark.parametrize("listen", ["on", "off"])
async def test_what_a_long_transaction_pushed_is_found_by_who_waits(servers: Shared, listen: str) -> None:
    """It is due before all that was seen meanwhile; without notifications nobody says that it is there."""
    server = servers.url("postgres")
    connection = await asyncpg.connect(server)
    async with connect(f"{server}?prefix=t_{uuid4().hex}&listen={listen}") as driver:
        assert isinstance(driver, Installable) and isinstance(driver, Transactional)
        await driver.install()
        async with connection.transaction():
            await driver.push_in((await adapt(connection, "tx")).transaction, [job("late")])
            for _ in range(3):
                assert not (await driver.reserve(["default"], limit=1)).items
                await anyio.sleep(0.4)  # longer than the margin, in all
            await driver.wait(["default"], timeout=0.01)  # looks at the whole queue, which is not due again for a while
        with anyio.fail_after(10):
            while not (found := (await driver.reserve(["default"], limit=1)).items):
                await driver.wait(["default"], timeout=5.0)
    assert ids(found) == ["late"]
    await connection.close()
