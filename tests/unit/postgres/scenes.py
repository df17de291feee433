"""A PostgreSQL server on which one call plays: empty at first, with a look at all that the call changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from asyncq.config import Connection
from asyncq.drivers import connect
from tests.support import installing
from tests.support.changes import Plan, Scene, plain
from tests.support.postgres import PostgresServer

__all__ = ["SCHEMA", "dump", "empty", "install", "outcome_of", "scene_of", "with_tables"]

SCHEMA = "t"


@contextmanager
def with_tables(**options: Any) -> Generator[PostgresServer]:
    """Start a server whose tables are made."""
    with PostgresServer(**options) as server:
        with ThreadPoolExecutor(1) as thread:  # whoever starts it may be in a loop
            thread.submit(asyncio.run, install(server.url)).result()
        yield server


async def install(url: str) -> None:
    """Make the tables, where they are missing."""
    await installing.install(f"{url}?prefix={SCHEMA}")


@asynccontextmanager
async def scene_of(plan: Plan, url: str, server: PostgresServer, *, pool: int = 1) -> AsyncGenerator[Scene]:
    """Empty the tables, and prepare what stands before the call."""
    empty(server)
    # With one connection its commands come in one order, also those that tell others of a change.
    url = f"{url}{'&' if '?' in url else '?'}prefix={SCHEMA}&pool={pool}"
    async with connect(Connection(url)) as driver:
        scene = Scene(driver, url)
        await plan.prepare(scene)
        yield scene


async def outcome_of(plan: Plan, scene: Scene, server: PostgresServer) -> tuple[str, dict[str, Any]]:
    """What the call answered, and all that the tables hold then; instants and tokens are like any others."""
    answer = await plan.call(scene)
    return plain(repr(answer)), dump(server)


def empty(server: PostgresServer) -> None:
    """Forget all jobs, and all that belongs to them."""
    server.command(f"TRUNCATE {', '.join(f'{SCHEMA}.{table}' for table in _tables(server))}")


def dump(server: PostgresServer) -> dict[str, Any]:
    """All rows but the memory of calls, without the numbers that only give them an order."""
    looks = [
        f"SELECT '{table}', to_jsonb(x) - 'seq' AS found FROM {SCHEMA}.{table} x"  # noqa: S608
        for table in _tables(server, "ops")
    ]
    found: dict[str, list[str]] = {}
    for table, row in server.command(" UNION ALL ".join(looks)):
        found.setdefault(table, []).append(plain(json.dumps(row, sort_keys=True)))
    return {table: sorted(rows) for table, rows in found.items()}


def _tables(server: PostgresServer, *but: str) -> list[str]:
    rows = server.command(f"SELECT tablename FROM pg_tables WHERE schemaname = '{SCHEMA}'")  # noqa: S608
    return sorted({table for (table,) in rows} - {"meta", *but})
