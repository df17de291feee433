"""A client that the user has already: its server, login and TLS, never its connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import pytest
import redis
from redis import asyncio as aio
from redis._parsers.encoders import Encoder
from redis.asyncio import connection as links

from asyncq.config import Connection
from asyncq.drivers import connect
from asyncq.errors import ConfigError
from asyncq.payload import Done
from asyncq.testing.conformance.jobs import ids, push, reserve, settle
from tests.support.redis import RedisCluster, RedisSentinel, RedisServer

_aio: Final[Any] = aio
_redis: Final[Any] = redis


class OwnEncoder(Encoder):
    pass


class OwnConnection(links.Connection):
    pass


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with RedisServer(password="secret") as server:  # noqa: S106
        yield server


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Any]:
    client = _aio.Redis(host="127.0.0.1", port=server.port, password="secret", db=3)  # noqa: S106
    yield client
    await client.aclose()


async def works(client: Any) -> None:
    """A driver with this client keeps a job, and its keeper reaches the same server."""
    async with connect(Connection("redis://", client=client, prefix="own")) as driver:
        await push(driver, "a")
        (held,) = await reserve(driver)
        with driver.keeper() as keeper:
            assert list(keeper.extend([held])) == []
        assert await settle(driver, held, Done()) == []


async def test_its_server_password_and_database_are_used(client: Any, server: RedisServer) -> None:
    await works(client)
    async with connect(Connection("redis://", client=client)) as driver:
        await push(driver, "a")
        assert await client.keys("asyncq*")
        async with connect(f"redis://:secret@127.0.0.1:{server.port}/3") as other:
            assert ids(await reserve(other)) == ["a"]


async def test_it_stays_the_users(client: Any) -> None:
    await client.ping()
    await works(client)
    assert await client.ping()


async def test_one_with_a_unix_socket(server: RedisServer) -> None:
    client = _aio.Redis(unix_socket_path=str(server.socket), password="secret")  # noqa: S106
    await works(client)
    await client.aclose()


async def test_one_from_a_url(server: RedisServer) -> None:
    client = _aio.from_url(f"{server.url}?health_check_interval=5")
    await works(client)
    await client.aclose()


async def test_one_of_a_cluster() -> None:
    with RedisCluster() as cluster:
        client = _aio.RedisCluster(host="127.0.0.1", port=cluster.masters[0].port)
        await works(client)
        async with connect(Connection("redis://", client=client)) as driver:
            assert driver.traits.unique_scope == "queue"
        await client.aclose()


async def test_one_of_sentinel() -> None:
    with RedisSentinel() as sentinel:
        watchers = _aio.Sentinel([("127.0.0.1", one.port) for one in sentinel.sentinels])
        client = watchers.master_for("mymaster")
        await works(client)
        await client.aclose()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: _aio.Redis(decode_responses=True), "client has decode_responses=True"),
        (lambda: _aio.RedisCluster(host="h", port=1, decode_responses=True), "client has decode_responses=True"),
        (
            lambda: _aio.Redis(connection_pool=_aio.ConnectionPool(encoder_class=OwnEncoder)),
            "client has an encoder_class of its own",
        ),
        (
            lambda: _aio.Redis(connection_pool=_aio.ConnectionPool(connection_class=OwnConnection)),
            "client has a connection_class of its own, OwnConnection",
        ),
        (lambda: _aio.Redis(redis_connect_func=print), "client has redis_connect_func"),
        (_redis.Redis, "client is of the blocking kind; give a client of redis.asyncio"),
        (lambda: "redis://", "client is no redis.asyncio.Redis or RedisCluster, but str"),
    ],
)
def test_what_would_change_bytes_or_block_is_refused(make: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=f"connection 'main': {words}"):
        connect(Connection("redis://", client=make()), name="main")


@pytest.mark.parametrize(
    ("url", "options"),
    [("redis://host", {}), ("redis+cluster://", {}), ("redis://", {"db": "1"}), ("redis://", {"password": "x"})],
)
def test_a_server_is_named_once(url: str, options: dict[str, str]) -> None:
    given: Any = options
    with pytest.raises(ConfigError, match="client says where the server is"):
        connect(Connection(url, client=_aio.Redis(), **given))


def test_other_drivers_take_none() -> None:
    with pytest.raises(ConfigError, match="memory:// takes no client"):
        connect(Connection("memory://", client=_aio.Redis()))
