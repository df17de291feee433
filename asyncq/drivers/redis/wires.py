"""Wires over redis-py: its connections to one server, its client of a cluster, and blocking clients for the keeper."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Final

import redis
from redis import asyncio as aio
from redis import cluster as blocking_cluster
from redis import sentinel as blocking_sentinel
from redis.asyncio import cluster, sentinel
from redis.asyncio import connection as links
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from asyncq.drivers.redis.options import Options
from asyncq.drivers.redis.wire import Argument

__all__ = ["ClusterWire", "PooledWire", "blocking_client", "wire_of"]

# Parts of redis-py have no annotations, or a client that looks like an awaitable to a type checker.
_aio: Final[Any] = aio
_cluster: Final[Any] = cluster
_sentinel: Final[Any] = sentinel
_blocking_cluster: Final[Any] = blocking_cluster
_blocking_sentinel: Final[Any] = blocking_sentinel
_blocking: Final[Any] = redis
_PLAIN: Final[dict[str, Any]] = {"protocol": 2, "socket_keepalive": True, "client_name": "asyncq"}


def _packer() -> Callable[[tuple[Argument, ...]], bytes] | None:
    """Return hiredis's encoder of commands: what redis-py's connections use takes five times as long."""
    try:
        hiredis: Any = import_module("hiredis")
    except ImportError:
        return None
    packer: Callable[[tuple[Argument, ...]], bytes] = hiredis.pack_command
    return packer


_pack: Final = _packer()


class PooledWire:
    """Connections to one server, or to the master that Sentinel names.

    redis-py's own `execute_command` costs twice as much CPU (metrics, a lock, a task for each write), so its
    connections are used one level lower: each command has one to itself.
    """

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._free: deque[Any] = deque()

    async def send(self, *arguments: Argument) -> Any:
        """Return the answer; a connection whose answer did not come is dropped."""
        connection: Any = self._free.pop() if self._free else self._pool.make_connection()
        try:
            packed = connection.pack_command(*arguments) if _pack is None else _pack(arguments)
            await connection.send_packed_command(packed, check_health=False)
            answer = await connection.read_response(disable_decoding=True)
        except redis.ResponseError as error:
            await self._after_refusal(connection, error)
            raise
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if isinstance(error, redis.ConnectionError):
                await self._drop_free()  # they were opened to the same server, and would fail one after the other
            raise
        self._free.append(connection)
        return answer

    async def listen(self, channels: Sequence[str]) -> Any:
        """Return a connection of its own that is subscribed to channels."""
        return await _subscribed(self._pool.make_connection(), channels)

    async def close(self) -> None:
        """Close the connections that lie free; none is in use any more."""
        await self._drop_free()
        await self._pool.disconnect()

    async def _after_refusal(self, connection: Any, error: redis.ResponseError) -> None:
        """Keep the connection, but not to a server that became a replica: the next one asks Sentinel anew."""
        if isinstance(error, redis.ReadOnlyError) or "MASTERDOWN" in str(error):
            await connection.disconnect(nowait=True)
        else:
            self._free.append(connection)

    async def _drop_free(self) -> None:
        while self._free:
            await self._free.pop().disconnect(nowait=True)


class ClusterWire:
    """redis-py's client of a cluster, which finds the node of a key and follows it when it moves."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def send(self, *arguments: Argument) -> Any:
        """Return the answer of the node that has the keys."""
        return await self._client.execute_command(*arguments)

    async def listen(self, channels: Sequence[str]) -> Any:
        """Return a connection to one node, which hears what is told to any."""
        await self._client.initialize()
        node: Any = self._client.get_random_node()
        return await _subscribed(node.connection_class(**node.connection_kwargs), channels)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


async def _subscribed(connection: Any, channels: Sequence[str]) -> Any:
    try:
        await connection.send_command("SUBSCRIBE", *channels, check_health=False)
        for _ in channels:
            await connection.read_response(disable_decoding=True)
    except BaseException:
        await connection.disconnect(nowait=True)
        raise
    return connection


def wire_of(options: Options) -> PooledWire | ClusterWire:
    """Make the wire of a connection; nothing is sent yet."""
    retry = AsyncRetry(NoBackoff(), 0)
    # The link has a deadline for each call; redis-py's own would make a task for each write.
    common = {
        **_PLAIN,
        **options.login,
        "socket_timeout": None,
        "socket_connect_timeout": options.timeout,
        "retry": retry,
    }
    if options.shape == "cluster":
        nodes = [_cluster.ClusterNode(host, port) for host, port in options.hosts]
        return ClusterWire(_cluster.RedisCluster(startup_nodes=nodes, **common))
    if options.shape == "sentinel":
        sentinels = _sentinel.Sentinel(
            options.hosts, sentinel_kwargs={**options.sentinel_login, "socket_timeout": options.timeout}, **common
        )
        return PooledWire(sentinels.master_for(options.service).connection_pool)
    return PooledWire(_aio.ConnectionPool(**_single(options, common)))


def _single(options: Options, common: dict[str, Any]) -> dict[str, Any]:
    """Return what a pool of connections to one server is made from."""
    if options.path is not None:
        kept = {key: value for key, value in common.items() if key != "socket_keepalive"}
        return {**kept, "connection_class": links.UnixDomainSocketConnection, "path": options.path}
    (host, port), *_ = options.hosts
    secure = common.pop("ssl", False)
    kind = links.SSLConnection if secure else links.Connection
    return {**common, "connection_class": kind, "host": host, "port": port}


def blocking_client(options: Options) -> Any:
    """Make a client for the keeper's thread; nothing is sent yet."""
    retry = Retry(NoBackoff(), 0)
    common = {**_PLAIN, **options.login, "socket_timeout": options.timeout, "retry": retry}
    if options.shape == "cluster":
        nodes = [_blocking_cluster.ClusterNode(host, port) for host, port in options.hosts]
        return _blocking_cluster.RedisCluster(startup_nodes=nodes, **common)
    if options.shape == "sentinel":
        sentinels = _blocking_sentinel.Sentinel(
            options.hosts, sentinel_kwargs={**options.sentinel_login, "socket_timeout": options.timeout}, **common
        )
        return sentinels.master_for(options.service)
    if options.path is not None:
        return _blocking.Redis(unix_socket_path=options.path, **common)
    (host, port), *_ = options.hosts
    return _blocking.Redis(host=host, port=port, **common)
