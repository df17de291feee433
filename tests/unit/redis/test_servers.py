"""The servers that other tests rely on."""

from __future__ import annotations

import pytest

from tests.support.redis import RedisServer
from tests.support.redis.binaries import Flavour


@pytest.mark.parametrize("flavour", ["valkey", "redis", "redis6"])
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
