"""Random histories of transactions on real servers: a job exists if and only if its row was committed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asyncq
from asyncq import AsyncQ, DispatchOptions, Job
from asyncq.contracts import Findable
from asyncq.worker.desk import Desk
from asyncq.worker.relay import Relay
from tests.support.databases import Tx, way_on
from tests.support.shared import Shared

FEW, MANY = 40, 1_000


class Welcome(Job):
    name: str

    async def handle(self) -> None: ...

    def dispatch_options(self) -> DispatchOptions:
        return {"id": self.name}


@dataclass(frozen=True, slots=True)
class Write:
    """A row for each of so many users, and a job for each, together or one by one."""

    users: int
    together: bool
    jobs_first: bool


@dataclass(frozen=True, slots=True)
class Block:
    """A transaction, or a savepoint within one."""

    steps: Sequence[Write | Block]
    end: Literal["commit", "rollback", "crash"]


writes = st.builds(Write, st.integers(1, 3), st.booleans(), st.booleans())
savepoints: st.SearchStrategy[Write | Block] = st.recursive(
    writes,
    lambda inner: st.builds(Block, st.lists(inner, max_size=4), st.sampled_from(["commit", "rollback"])),
    max_leaves=8,
)
transactions = st.builds(
    Block, st.lists(savepoints, max_size=5), st.sampled_from(["commit", "commit", "rollback", "crash"])
)
histories = st.lists(transactions, min_size=1, max_size=4)


class Undone(Exception):
    """Leaves a block that is to be rolled back."""


class Cut(Exception):
    """Leaves all blocks of a connection that was cut off."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to dispatch: in the transaction or after it, to its database or elsewhere."""

    way: str
    joins: bool
    elsewhere: bool


VARIANTS = {
    "asyncpg": Variant("asyncpg", joins=True, elsewhere=False),
    "asyncpg's pool": Variant("asyncpg-pool", joins=True, elsewhere=False),
    "SQLAlchemy on PostgreSQL": Variant("postgres-session", joins=True, elsewhere=False),
    "SQLAlchemy on SQLite": Variant("sqlite-session", joins=True, elsewhere=False),
    "aiosqlite": Variant("aiosqlite", joins=True, elsewhere=False),
    "asyncpg through the outbox to Redis": Variant("asyncpg", joins=True, elsewhere=True),
    "SQLAlchemy on SQLite through the outbox to Redis": Variant("sqlite-session", joins=True, elsewhere=True),
    "SQLAlchemy on PostgreSQL, after the commit": Variant("postgres-session", joins=False, elsewhere=False),
    "connections of SQLAlchemy on SQLite, after the commit": Variant("sqlite-connection", joins=False, elsewhere=True),
    "asyncpg, after the commit": Variant("asyncpg", joins=False, elsewhere=True),
}


class World:
    """An app and a database, which all histories of a variant share; their names keep them apart."""

    def __init__(self, variant: Variant, directory: Path, servers: Shared) -> None:
        self.variant = variant
        self.way = way_on(variant.way, directory, servers)
        redis = f"{servers.url('redis')}?prefix=t-{uuid4().hex}" if variant.elsewhere else ""
        urls = {"default": redis, "db": self.way.url} if redis else {"default": self.way.url}
        self.app = AsyncQ(connections=urls)
        self.names = (f"user-{number}" for number in count())
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()

    def __enter__(self) -> World:
        self.runner.run(self._open())
        return self

    def __exit__(self, *exc: object) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    async def _open(self) -> None:
        await self.stack.enter_async_context(self.way.open())
        await self.stack.enter_async_context(self.app)

    def _around(self, subject: Any) -> AbstractAsyncContextManager[Any]:
        return nullcontext() if self.variant.joins else asyncq.after_commit(subject)

    async def play(self, history: Sequence[Block]) -> None:
        """Live through a history, then compare."""
        tried: list[str] = []
        kept: list[str] = []
        before = len(await self.way.names())
        for block in history:
            kept += await self._transact(block, tried)
        await self._relay()
        rows = (await self.way.names())[before:]
        assert rows == kept, "the database itself did something else"
        driver = (await self.app.engine()).driver("default")
        assert isinstance(driver, Findable)
        assert set(await driver.find(tried)) == set(kept)
        await driver.cancel(tried)

    async def _transact(self, block: Block, tried: list[str]) -> list[str]:
        try:
            async with self.way.transaction(self._around) as tx:
                names = await self._live(tx, block, tried)
                if block.end == "crash":
                    await tx.crash()
                    raise Cut
                if block.end == "rollback":
                    raise Undone
        except Undone:
            return []
        except Exception:
            if block.end != "crash":  # what closes a connection that was cut off complains in its own words
                raise
            return []
        return names

    async def _live(self, tx: Tx, block: Block, tried: list[str]) -> list[str]:
        """Take the steps of a block; returns the users that are there if it is committed, in their order."""
        names: list[str] = []
        for step in block.steps:
            names += await (self._write(tx, step, tried) if isinstance(step, Write) else self._save(tx, step, tried))
        return names

    async def _save(self, tx: Tx, block: Block, tried: list[str]) -> list[str]:
        try:
            async with tx.savepoint():
                names = await self._live(tx, block, tried)
                if block.end == "rollback":
                    raise Undone
        except Undone:
            return []
        return names

    async def _write(self, tx: Tx, step: Write, tried: list[str]) -> list[str]:
        names = [next(self.names) for _ in range(step.users)]
        tried += names
        for what in ("jobs", "rows") if step.jobs_first else ("rows", "jobs"):
            if what == "rows":
                for name in names:
                    await tx.write(name)
            else:
                await self._dispatch(tx, names, together=step.together)
        return names

    async def _dispatch(self, tx: Tx, names: Sequence[str], *, together: bool) -> None:
        joined = tx.given if self.variant.joins else None
        jobs = [Welcome(name=name) for name in names]
        if together:
            await asyncq.dispatch_many(jobs, tx=joined)
            return
        for job in jobs:
            await job.dispatch(tx=joined)

    async def _relay(self) -> None:
        engine = await self.app.engine()
        if "db" in engine.drivers:
            while await Relay(engine, engine.driver("db"), Desk(1, 0, ())).relay():
                pass


@pytest.fixture(params=VARIANTS)
def world(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared, no_other_app: None) -> Iterator[World]:
    with World(VARIANTS[request.param], tmp_path, servers) as world:
        yield world


@pytest.mark.timeout(900)
def test_a_job_exists_if_and_only_if_its_row_was_committed(world: World, pytestconfig: pytest.Config) -> None:
    many = bool(pytestconfig.getoption("--slow"))

    @settings(
        max_examples=MANY if many else FEW,
        deadline=None,
        derandomize=not many,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories)
    def all_of(history: Sequence[Block]) -> None:
        world.runner.run(world.play(history))

    all_of()
