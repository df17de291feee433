"""The servers that other tests rely on."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hiredis import ReplyError

from tests.support.redis import RedisCluster, RedisSentinel, RedisServer
from tests.support.redis.binaries import FLAVOUR, Flavour, require
from tests.support.redis.starts import OWN_URL, SECRET, USER
from tests.support.redis.wire import call
from tests.support.root import ROOT
from tests.support.shared import Shared
from tests.support.waiting import until

FLAVOURS: list[Flavour] = ["valkey", "redis", "redis6"]
PARENT = """
import time
from tests.support.redis import RedisServer
with RedisServer() as server:
    print(server.pid, server.socket.parent, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_server_starts_in_each_flavour(flavour: Flavour) -> None:
    with RedisServer(flavour) as server:
        assert server.command("SET", "key", b"\xff") == "OK"
        assert server.command("GET", "key") == "\udcff"
        assert server.alive
    assert not server.alive


def test_a_persistent_server_is_killed_and_finds_its_data_again() -> None:
    with RedisServer(persistent=True) as server:
        server.command("SET", "key", "value")
        before = (server.pid, server.port)
        server.kill()
        with pytest.raises(OSError, match="refused"):
            server.command("PING")
        server.restart()
        assert (server.command("GET", "key"), server.port) == ("value", before[1])
        assert server.pid != before[0]


def test_a_frozen_server_keeps_its_connections_and_answers_later() -> None:
    with RedisServer() as server, socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        server.freeze()
        connection.sendall(b"PING\r\n")
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(10)
        server.thaw()
        assert connection.recv(100) == b"+PONG\r\n"


def test_a_server_has_the_limits_it_was_given() -> None:
    users = {"reader": "on >secret ~open:* +get"}
    with RedisServer(password=SECRET, maxmemory="10mb", users=users) as server:
        assert server.url == f"redis://:{SECRET}@127.0.0.1:{server.port}/0"
        assert server.command("CONFIG", "GET", "maxmemory") == ["maxmemory", str(10 * 1024 * 1024)]
        with pytest.raises(ReplyError, match="NOAUTH"):
            call(server.socket, "PING")
        assert "reader" in server.command("ACL", "USERS")


def test_a_server_does_not_outlive_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid, directory = parent.stdout.readline().split()
        assert _runs(pid)
        parent.kill()
    until(lambda: not _runs(pid) and not Path(directory).exists(), 10, "the end of a server without a parent")


def test_a_server_of_the_users_own_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OWN_URL, "redis://example.test:6380/3")
    with Shared() as servers:
        assert servers.url("redis") == "redis://example.test:6380/3"


def test_the_restricted_user_reaches_its_own_keys_and_nothing_else() -> None:
    with Shared() as servers:
        parts = urlsplit(servers.url("redis-acl"))
        assert (parts.username, parts.password, parts.hostname) == (USER, SECRET, "127.0.0.1")
        address = ("127.0.0.1", parts.port or 0)

        def ask(*arguments: str) -> object:
            return call(address, *arguments, user=USER, password=SECRET)

        assert ask("SET", "acl-key", "1") == "OK"
        assert isinstance(ask("EVAL", "return redis.call('TIME')", "0"), list)
        for refused in (["SET", "key", "1"], ["KEYS", "*"], ["FLUSHALL"], ["CONFIG", "GET", "*"]):
            with pytest.raises(ReplyError, match="NOPERM"):
                ask(*refused)


def test_a_flavour_is_chosen_for_all_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    require("redis6")
    monkeypatch.setenv(FLAVOUR, "redis6")
    with RedisServer() as server:
        assert "redis_version:6.2" in server.command("INFO", "server")


@pytest.mark.parametrize("flavour", ["any", *(pytest.param(one, marks=pytest.mark.slow) for one in FLAVOURS)])
def test_a_cluster_shares_its_slots_and_a_replica_takes_over(flavour: Flavour) -> None:
    with RedisCluster(flavour=flavour, replicas=1) as cluster:
        for number in range(20):
            cluster.command("SET", number, f"value {number}")
        sizes = [master.command("DBSIZE") for master in cluster.masters]
        assert sum(sizes) == 20
        assert all(sizes)
        cluster.masters[0].kill()
        until(lambda: _all_there(cluster), 30, "a replica that took over")


@pytest.mark.parametrize("flavour", ["any", *(pytest.param(one, marks=pytest.mark.slow) for one in FLAVOURS)])
def test_sentinels_replace_a_dead_master(flavour: Flavour) -> None:
    with RedisSentinel(flavour) as watched:
        watched.command("SET", "key", "value")
        assert watched.command("WAIT", 1, 5000) == 1
        first = watched.kill_master()
        second = watched.await_master(other_than=first)
        assert second.command("GET", "key") == "value"


def _all_there(cluster: RedisCluster) -> bool:
    try:
        return all(cluster.command("GET", number) == f"value {number}" for number in range(20))
    except (OSError, ReplyError):
        return False


def _runs(pid: str) -> bool:
    """Whether a process runs; a dead one whose parent has not looked at it does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
