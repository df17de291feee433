"""What a run leaves behind is found past the driver, and what may stay is passed over."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.chaos.leftovers import leftovers
from tests.support.postgres import PostgresServer
from tests.support.redis import RedisServer
from tests.unit.postgres.scenes import install

HOME = "chaos:{chaos}:"
LEFT: dict[str, tuple[str | int, ...]] = {
    "zset chaos:q:{default}:lease": ("ZADD", "chaos:q:{default}:lease", 1, "id"),
    "list chaos:q:{default}:notify": ("LPUSH", "chaos:q:{default}:notify", "1"),
    f"hash {HOME}rec": ("HSET", f"{HOME}rec", "id", "job"),
    f"string {HOME}lock:alone:default": ("SET", f"{HOME}lock:alone:default", "one", "PX", 60_000),
    f"hash {HOME}batch:1": ("HSET", f"{HOME}batch:1", "pending", 1),
    "the signal pause:default, which has no end": ("HSET", f"{HOME}signals", "pause:default", "\n1\nyes"),
    f"{HOME}op:1, which ends in -1 ms": ("SET", f"{HOME}op:1", "answer"),
}


def test_a_key_of_any_kind_is_found() -> None:
    with RedisServer() as server:
        url = f"{server.url}?prefix=chaos"
        for command in LEFT.values():
            server.command(*command)
        assert sorted(leftovers(url)) == sorted(LEFT)


ROWS = {
    "jobs": "(due, id, queue, name, body) VALUES (0, 'a', 'q', 'n', '')",
    "outbox": "(id, kind, target, body) VALUES ('a', 'push', '', '')",
    "locks": "VALUES ('alone:default', 'one', t.now() + 60000000)",
    "slots": "VALUES ('hits:key', 'one', t.now() + 60000000)",
    "limits": "VALUES ('key', 1, t.now() + 60000000)",
    "results": "VALUES ('a', 60, t.now() + 60000000, '')",
    "signals": "VALUES ('pause:default', 'yes', 0, NULL)",
    "batch_members": "VALUES ('b', 'm', 0)",
    "ops": "VALUES ('1', t.now() + 90000000, '')",
}
GONE = {
    "locks": "VALUES ('old', 'one', t.now() - 1)",
    "signals": "VALUES ('worker:one', 'beat', 0, t.now() + 60000000)",
    "ops": "VALUES ('2', t.now(), '')",
}


def test_a_row_of_any_table_is_found() -> None:
    with PostgresServer() as server:
        asyncio.run(install(server.url))
        url = f"{server.url}?prefix=t"
        assert leftovers(url) == []
        server.command(";".join(f"INSERT INTO t.{table} {row}" for table, row in GONE.items()))
        assert leftovers(url) == []
        server.command(";".join(f"INSERT INTO t.{table} {row}" for table, row in ROWS.items()))
        assert sorted(leftovers(url)) == sorted(f"1 rows of {table}" for table in ROWS)


@pytest.mark.parametrize("url", ["memory://", "redis+cluster://nowhere:1"])
def test_a_store_that_cannot_be_opened_is_left_alone(url: str) -> None:
    assert leftovers(url) == []


def test_what_stays_or_ends_by_itself_is_passed_over() -> None:
    with RedisServer() as server:
        server.command("SET", f"{HOME}op:1", "answer", "PX", 20_000)
        server.command("SADD", f"{HOME}queues", "default")
        server.command("HSET", f"{HOME}signals", "worker:one", "1700000000000000\n1\nbeat")
        server.command("SET", "another", "application")
        assert leftovers(f"{server.url}?prefix=chaos") == []
