"""Looks past the driver for what a run left in a file or on a server."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import asyncpg
import redis

from asyncq import Connection

__all__ = ["leftovers"]

OP_MS: Final = 30_000
"""Milliseconds that an answer is remembered for a caller that did not receive it."""
SQLITE_TABLES: Final = {
    "jobs": "1",
    "jobs with a lease": "token IS NOT NULL",
    "unique keys": "unique_key IS NOT NULL",
    "failed records": "1",
    "outbox rows": "1",
    "locks": "until IS NULL OR until > unixepoch('subsec') * 1e6",
}
POSTGRES_TABLES: Final = {
    "jobs": "true",
    "failed": "true",
    "outbox": "true",
    "batches": "true",
    "batch_members": "true",
    "locks": "until IS NULL OR until > now",
    "slots": "until > now",
    "limits": "until > now",
    "results": "until > now",
    "signals": "until IS NULL",
    "ops": "at > now + 60e6",
}
"""What counts as left, by table: a worker that was killed leaves its heartbeat, which ends, and answers of calls."""
_redis: Final[Any] = redis


def leftovers(url: str) -> list[str]:
    """Return what is still there, where the store can be opened past the driver."""
    scheme = urlsplit(url).scheme
    if scheme == "sqlite":
        return list(_in_file(url))
    if scheme in {"postgres", "postgresql"}:
        with ThreadPoolExecutor(1) as thread:  # whoever asks may be in a loop
            return thread.submit(asyncio.run, _in_tables(url)).result()
    return list(_on_server(url)) if scheme in {"redis", "rediss"} else []


def _in_file(url: str) -> Iterator[str]:
    path = url.partition(":///")[2].partition("?")[0].lstrip("/")
    tables = {"jobs": "jobs", "unique": "jobs", "failed": "failed", "outbox": "outbox", "locks": "locks"}
    with closing(sqlite3.connect(f"/{path}")) as file:
        for what, condition in SQLITE_TABLES.items():
            name = tables[what.partition(" ")[0]]
            count = file.execute(f"SELECT count(*) FROM asyncq_{name} WHERE {condition}").fetchone()[0]  # noqa: S608
            if count:
                yield f"{count} {what} in the file"


async def _in_tables(url: str) -> list[str]:
    schema = Connection(url).settings("main").prefix
    connection = await asyncpg.connect(url.partition("?")[0])
    try:
        counts = [
            f"SELECT '{table}' AS name, count(*) AS left FROM \"{schema}\".{table}, now WHERE {condition}"  # noqa: S608
            for table, condition in POSTGRES_TABLES.items()
        ]
        now = f'WITH now AS (SELECT "{schema}".now() AS now)'
        rows = await connection.fetch(f"{now} {' UNION ALL '.join(counts)}")
    finally:
        await connection.close()
    return [f"{count} rows of {name}" for name, count in rows if count]


def _on_server(url: str) -> Iterator[str]:
    """Scan all keys below the prefix: what belongs to a job, a lease, a lock or a batch has a key of its own kind."""
    place, _, query = url.partition("?")
    prefix = parse_qs(query).get("prefix", ["asyncq"])[0]
    home = f"{prefix}:{{{prefix}}}:"
    with closing(_redis.Redis.from_url(place)) as client:
        for key in client.scan_iter(match=f"{prefix}:*", count=1000):
            name = key.decode()
            if name.startswith(f"{home}op:"):
                yield from _lasting_answer(client, name)
            elif name == f"{home}signals":
                yield from _lasting_signals(client, name)
            elif name != f"{home}queues":  # the names of queues stay, whatever was in them
                yield f"{client.type(name).decode()} {name}"


def _lasting_answer(client: Any, name: str) -> Iterator[str]:
    """Answers of calls vanish by themselves."""
    left = client.pttl(name)
    if left == -1 or left > OP_MS:
        yield f"{name}, which ends in {left} ms"


def _lasting_signals(client: Any, name: str) -> Iterator[str]:
    """A worker that was killed leaves its heartbeat, which ends; no other flag was set."""
    for field, record in client.hgetall(name).items():
        if record.startswith(b"\n"):
            yield f"the signal {field.decode()}, which has no end"
