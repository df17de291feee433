"""What a driver promises that takes part in its users' transactions."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asyncq.contracts import Driver, Findable, Transaction, Transactional
from asyncq.drivers import connect
from asyncq.outbox import push_row
from asyncq.payload import Done, Effects, Failed, Outcome, Released, Reservation, Settlement
from asyncq.records import FailedJob, StoredResult
from asyncq.testing.conformance.jobs import ids, job, push, reserve_one, there
from asyncq.transactions.adapting import adapt
from tests.support.databases import WAYS, Tx, Way, way_on
from tests.support.shared import Shared


class Undone(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Place:
    """A driver, and transactions in its database."""

    driver: Driver
    way: Way

    @property
    def joins(self) -> Transactional:
        assert isinstance(self.driver, Transactional)
        return self.driver

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[tuple[Transaction, Tx]]:
        async with self.way.transaction() as tx:
            yield (await adapt(tx.given, "tx")).transaction, tx

    async def found(self, *names: str) -> set[str]:
        assert isinstance(self.driver, Findable)
        return set(await self.driver.find(names))


@pytest.fixture(params=sorted(WAYS))
async def place(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared) -> AsyncIterator[Place]:
    way = way_on(request.param, tmp_path, servers)
    async with way.open(), connect(f"{way.url}&lease=30") as driver:
        yield Place(driver, way)


async def test_it_owns_the_transactions_of_its_own_database(place: Place, tmp_path: Path) -> None:
    async with place.transaction() as (transaction, _):
        assert await place.joins.owns(transaction)
    async with connect(f"sqlite:///{tmp_path}/elsewhere.db") as other, place.transaction() as (transaction, _):
        assert isinstance(other, Transactional)
        assert not await other.owns(transaction)


async def test_a_push_counts_from_the_commit_on(place: Place) -> None:
    await push(place.driver, "stored")
    async with place.transaction() as (transaction, _):
        pushed = await place.joins.push_in(transaction, [job("a"), job("stored"), job("b"), job("a")])
        assert [answer.created for answer in pushed] == [True, False, True, False]
        assert await place.found("a", "b") == set()
    assert await place.found("a", "b") == {"a", "b"}
    with pytest.raises(Undone):
        async with place.transaction() as (transaction, _):
            await place.joins.push_in(transaction, [job("c")])
            raise Undone
    assert await place.found("c") == set()


async def test_nothing_to_push_is_nothing(place: Place) -> None:
    async with place.transaction() as (transaction, _):
        assert list(await place.joins.push_in(transaction, [])) == []
        await place.joins.note_in(transaction, [])


def _failure(item: Reservation) -> FailedJob:
    return FailedJob(item.id, "main", item.queue, item.name, item.body, "ValueError: no", "trace", 0.0)


OUTCOMES: dict[str, Callable[[], Outcome]] = {
    "done": Done,
    "failed": lambda: Failed(ValueError("no")),
    "released": lambda: Released(3600.0, "exception"),
}


@pytest.mark.parametrize("outcome", OUTCOMES)
async def test_an_end_comes_with_all_its_effects_or_not_at_all(place: Place, outcome: str) -> None:
    await push(place.driver, "a")
    held = await reserve_one(place.driver)
    effects = Effects(
        push=(job("next"),),
        failed=_failure(held),
        result=StoredResult("a", b'{"x":1}', 60.0),
        outbox=(push_row(job("far"), "elsewhere"),),
    )
    settlement = Settlement(held, OUTCOMES[outcome](), effects)
    with pytest.raises(Undone):
        async with place.transaction() as (transaction, _):
            assert await place.joins.settle_in(transaction, settlement)
            raise Undone
    assert await place.found("a", "next") == {"a"}
    assert await results(place, "a") == []
    async with place.transaction() as (transaction, tx):
        assert await place.joins.settle_in(transaction, settlement)
        await tx.write("Ada")
    assert await place.found("a", "next") == ({"a", "next"} if outcome == "released" else {"next"})
    assert await results(place, "a") == [b'{"x":1}']
    assert ids((await there(place.driver.stores.failed).page()).items) == ["a"]
    assert ids(await there(place.driver.stores.outbox).take(limit=9, lease=1.0)) == ["push:far"]
    assert await place.way.names() == ["Ada"]
    assert ids(await place.driver.settle([settlement])) == ["a"]  # it is stale now


async def results(place: Place, id: str) -> Sequence[Any]:
    found = await there(place.driver.stores.results).get(id)
    return [] if found is None else [found.body]


async def test_it_tells_whether_an_end_was_committed(place: Place) -> None:
    await push(place.driver, "a")
    held = await reserve_one(place.driver)
    assert await place.joins.settled(held) is False
    for error in (Undone, None):
        with pytest.raises(Undone) if error else nullcontext():
            async with place.transaction() as (transaction, _):
                assert await place.joins.settle_in(transaction, Settlement(held, Done()))
                # A file shows nothing of a transaction that is open.
                assert await place.joins.settled(held) in ({False} if place.way.url.startswith("sqlite") else {None})
                if error:
                    raise error
        assert await place.joins.settled(held) is (error is None)


async def test_a_stale_end_changes_nothing_and_leaves_the_transaction_whole(place: Place) -> None:
    await push(place.driver, "a")
    held = await reserve_one(place.driver)
    await place.driver.settle([Settlement(held, Released(None, "nothing"))])
    async with place.transaction() as (transaction, tx):
        assert not await place.joins.settle_in(transaction, Settlement(held, Done(), Effects(push=(job("next"),))))
        await tx.write("Ada")
    assert await place.found("a", "next") == {"a"}
    assert await place.way.names() == ["Ada"]


async def test_notes_lie_in_the_outbox_from_the_commit_on(place: Place) -> None:
    outbox = there(place.driver.stores.outbox)
    async with place.transaction() as (transaction, _):
        await place.joins.note_in(transaction, [push_row(job("a"), "x"), push_row(job("b"), "x")])
        await place.joins.note_in(transaction, [push_row(job("a"), "another")])
    with pytest.raises(Undone):
        async with place.transaction() as (transaction, _):
            await place.joins.note_in(transaction, [push_row(job("c"), "x")])
            raise Undone
    rows = await outbox.take(limit=9, lease=1.0)
    assert [(row.id, row.target) for row in rows] == [("push:a", "x"), ("push:b", "x")]
