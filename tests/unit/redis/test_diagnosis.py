"""`asyncq doctor` on Redis."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from asyncq.config import Connection
from asyncq.contracts import Diagnosable
from asyncq.drivers import connect
from asyncq.records import Fact
from tests.cli.projects import project_with
from tests.contract.traits import ROWS
from tests.support.redis import RedisServer
from tests.support.redis.binaries import Flavour
from tests.support.shared import Shared

NOTHING_KEPT = "it keeps no log on its disk: its death takes back jobs that were accepted"
ON_DISK = "`CONFIG SET appendonly yes`, and in the server's file"


async def facts_on(url: str) -> list[Fact]:
    async with connect(Connection(url)) as driver:
        assert isinstance(driver, Diagnosable)
        return list(await driver.facts())


@pytest.mark.parametrize(("flavour", "name"), [("valkey", "Valkey "), ("redis", "Redis "), ("redis6", "Redis 6.2.")])
async def test_the_server_is_named_with_its_version(flavour: Flavour, name: str) -> None:
    with RedisServer(flavour) as server:
        first, *_ = await facts_on(server.url)
    assert first.detail.startswith(name)
    assert first.detail.endswith(", one server")


async def test_what_a_crash_takes_back_is_said() -> None:
    with RedisServer() as server:
        assert (await facts_on(server.url))[1] == Fact(NOTHING_KEPT, "warning", ON_DISK)
        server.command("CONFIG", "SET", "save", "3600 1")
        assert "snapshots only" in (await facts_on(server.url))[1].detail
        server.command("CONFIG", "SET", "appendonly", "yes")
        for policy, status, said in (
            ("always", "ok", "an accepted job is on the disk"),
            ("everysec", "warning", "may take back the last second"),
            ("no", "warning", "may take back as much"),
        ):
            server.command("CONFIG", "SET", "appendfsync", policy)
            fact = (await facts_on(server.url))[1]
            assert (fact.status, f"appendfsync {policy}" in fact.detail, said in fact.detail) == (status, True, True)


async def test_the_memory_is_told_and_warned_of() -> None:
    with RedisServer() as server:
        assert "maxmemory is not set" in (await facts_on(server.url))[2].detail
        server.command("CONFIG", "SET", "maxmemory", "500mb")
        fact = (await facts_on(server.url))[2]
        assert (fact.status, "of 500.00M, maxmemory-policy noeviction" in fact.detail) == ("ok", True)
        server.command("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
        assert (await facts_on(server.url))[2].fix == "`CONFIG SET maxmemory-policy noeviction`"
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb")
        assert "it soon refuses new jobs" in (await facts_on(server.url))[2].detail


async def test_a_replica_is_a_problem() -> None:
    with RedisServer() as server:
        server.command("REPLICAOF", "127.0.0.1", 1)
        assert (await facts_on(f"{server.url}?retry_for=0.1"))[-1].status == "problem"


@pytest.mark.parametrize(
    ("backend", "shape"),
    [("redis-cluster", "a node of a cluster"), ("redis-sentinel", "the master that Sentinel names")],
)
async def test_clusters_and_sentinels_are_named(servers: Shared, backend: str, shape: str) -> None:
    url = ROWS[backend].url.format(server=servers.url(ROWS[backend].server), name="doctor")
    assert (await facts_on(url))[0].detail.endswith(f", {shape}")


async def test_a_restricted_user_learns_what_it_may(servers: Shared) -> None:
    url = ROWS["redis-acl"].url.format(server=servers.url("redis-acl"), name="doctor")
    [fact] = await facts_on(url)
    assert (fact.status, fact.fix) == ("warning", "give the user +info")


def test_doctor_prints_it(tmp_path: Path) -> None:
    with RedisServer(persistent=True) as server, project_with(tmp_path) as project:
        checks = project.json("doctor", ASYNCQ_URL=server.url)
    found = {check["detail"]: check["status"] for check in checks if check["check"] == "connection default"}
    assert found["appendonly yes, appendfsync always: an accepted job is on the disk"] == "ok"
    assert found["its clock and this host's agree"] == "ok"
    assert json.dumps(checks).count("of memory used") == 1
