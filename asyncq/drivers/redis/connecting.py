"""From options to the wire of a driver, or to the blocking client of its keeper, all over redis-py."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import redis
from redis import asyncio as aio
from redis import cluster as blocking_cluster
from redis import sentinel as blocking_sentinel
from redis.asyncio import connection as links
from redis.asyncio import sentinel
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from asyncq.drivers.redis.cluster import Address, ClusterWire
from asyncq.drivers.redis.options import Options
from asyncq.drivers.redis.wire import Argument
from asyncq.drivers.redis.wires import PooledWire

__all__ = ["blocking_client", "wire_of"]

# Parts of redis-py have no annotations, or a client that looks like an awaitable to a type checker.
_aio: Final[Any] = aio
_sentinel: Final[Any] = sentinel
_blocking_cluster: Final[Any] = blocking_cluster
_blocking_sentinel: Final[Any] = blocking_sentinel
_blocking: Final[Any] = redis
SENTINEL_SECONDS: Final = 1.0
_PLAIN: Final[dict[str, Any]] = {"protocol": 2, "socket_keepalive": True, "client_name": "asyncq"}


class SentinelWire(PooledWire):
    """Connections to the master that Sentinel names; those to the sentinels are ours to close too."""

    def __init__(self, sentinels: Any, service: str) -> None:
        super().__init__(sentinels.master_for(service).connection_pool)
        self._sentinels = sentinels
        sentinels.discover_master = self._master

    async def _master(self, service: str) -> tuple[str, int]:
        """Ask one sentinel after the other.

        Not by redis-py's own way, which needs a `socket_timeout` to get past one that does not answer: with that it
        sends by `wait_for`, which before Python 3.12 now and then swallows that its caller was cancelled.
        """
        told: list[str] = []
        for one in list(self._sentinels.sentinels):
            try:
                async with asyncio.timeout(SENTINEL_SECONDS):
                    state = (await one.sentinel_masters()).get(service)
            except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
                told.append(str(error) or type(error).__name__)
                continue
            if state and self._sentinels.check_master_state(state, service):
                self._sentinels.sentinels.remove(one)
                self._sentinels.sentinels.insert(0, one)  # it is asked first from now on
                return state["ip"], state["port"]
        raise _sentinel.MasterNotFoundError(f"no sentinel knows a master called {service!r} {'; '.join(told)}".strip())

    async def close(self) -> None:
        """Close all connections."""
        await super().close()
        for one in self._sentinels.sentinels:
            await one.aclose()


class _Watched:
    """The same for the keeper."""

    def __init__(self, sentinels: Any, service: str) -> None:
        self._sentinels = sentinels
        self._client = sentinels.master_for(service)

    def execute_command(self, *arguments: Argument) -> Any:
        return self._client.execute_command(*arguments)

    def close(self) -> None:
        for client in (self._client, *self._sentinels.sentinels):
            client.close()


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
        return ClusterWire(
            options.hosts, lambda address: _aio.ConnectionPool(**_to(address, common)), timeout=options.timeout
        )
    if options.shape == "sentinel":
        watcher = {**_watcher(options, retry), "socket_timeout": None}
        sentinels = _sentinel.Sentinel(options.hosts, sentinel_kwargs=watcher, **common)
        return SentinelWire(sentinels, options.service)
    return PooledWire(_aio.ConnectionPool(**_single(options, common)))


def _watcher(options: Options, retry: Any) -> dict[str, Any]:
    """Return what a connection to a sentinel is made from; where one does not answer, there is time for another."""
    patience = min(SENTINEL_SECONDS, options.timeout)
    secure = {key: value for key, value in options.login.items() if key.startswith("ssl")}
    waits = {"socket_timeout": patience, "socket_connect_timeout": patience, "retry": retry}
    return {**secure, **options.sentinel_login, **waits}


def _single(options: Options, common: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a pool of connections to one server is made from."""
    if options.path is not None:
        kept = {key: value for key, value in common.items() if key != "socket_keepalive"}
        return {**kept, "connection_class": links.UnixDomainSocketConnection, "path": options.path}
    return _to(options.hosts[0], common)


def _to(address: Address, common: Mapping[str, Any]) -> dict[str, Any]:
    kind = links.SSLConnection if common.get("ssl") else links.Connection
    kept = {key: value for key, value in common.items() if key != "ssl"}
    return {**kept, "connection_class": kind, "host": address[0], "port": address[1]}


def blocking_client(options: Options) -> Any:
    """Make a client for the keeper's thread; nothing is sent yet."""
    retry = Retry(NoBackoff(), 0)
    common = {**_PLAIN, **options.login, "socket_timeout": options.timeout, "retry": retry}
    if options.shape == "cluster":
        nodes = [_blocking_cluster.ClusterNode(host, port) for host, port in options.hosts]
        return _blocking_cluster.RedisCluster(startup_nodes=nodes, **common)
    if options.shape == "sentinel":
        sentinels = _blocking_sentinel.Sentinel(options.hosts, sentinel_kwargs=_watcher(options, retry), **common)
        return _Watched(sentinels, options.service)
    if options.path is not None:
        return _blocking.Redis(unix_socket_path=options.path, **common)
    (host, port), *_ = options.hosts
    return _blocking.Redis(host=host, port=port, **common)
