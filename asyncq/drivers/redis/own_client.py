"""A client of the user's own as the source of options: its server, login and TLS, not its connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import redis
from redis import asyncio as aio
from redis.asyncio import connection as links
from redis.asyncio import sentinel

from asyncq.config import Settings
from asyncq.drivers.redis.options import TLS, Options, options_of
from asyncq.errors import ConfigError

__all__ = ["options_for"]

_BLOCKING: Final[tuple[Any, ...]] = (redis.Redis, redis.RedisCluster)
_SINGLE: Final[Any] = aio.Redis
_CLUSTER: Final[Any] = aio.RedisCluster
_KEPT: Final = ("username", "password", "credential_provider", "db", "client_name", "socket_keepalive")
_PLACES: Final = ("username", "password", "db", "sentinel_username", "sentinel_password", *TLS)
"""Options that say what the client says."""


def options_for(settings: Settings) -> Options:
    """Read the options of a connection, from its client where it has one.

    Raises:
        ConfigError: what `options_of` refuses, or the client cannot be used.
    """
    options = options_of(settings)
    client: Any = settings.client
    if client is None:
        return options
    of = f"connection {settings.name!r}"
    if settings.scheme != "redis" or settings.location or any(key in settings.options for key in _PLACES):
        raise ConfigError(f"{of}: client says where the server is; write redis:// alone, and no option of the login")
    if isinstance(client, _BLOCKING):
        raise ConfigError(f"{of}: client is of the blocking kind; give a client of redis.asyncio")
    if isinstance(client, _CLUSTER):
        return _of_cluster(of, options, client)
    if isinstance(client, _SINGLE):
        return _of_pool(of, options, client.connection_pool)
    raise ConfigError(f"{of}: client is no redis.asyncio.Redis or RedisCluster, but {type(client).__name__}")


def _of_cluster(of: str, options: Options, client: Any) -> Options:
    given: Mapping[str, Any] = client.connection_kwargs
    _refuse(of, given)
    hosts = tuple((node.host, int(node.port)) for node in client.startup_nodes)
    login = _login(of, given, given.get("connection_class", links.Connection))
    return replace(options, shape="cluster", hosts=hosts, login=login, where=_where("redis+cluster", hosts))


def _of_pool(of: str, options: Options, pool: Any) -> Options:
    given: Mapping[str, Any] = pool.connection_kwargs
    _refuse(of, given)
    if given.get("redis_connect_func") is not None:
        raise ConfigError(f"{of}: client has redis_connect_func, which asyncq's own connections do not call")
    login = _login(of, given, pool.connection_class)
    if isinstance(pool, sentinel.SentinelConnectionPool):
        watched: Any = pool
        return _of_sentinel(options, watched, login)
    if "path" in given:
        return replace(options, hosts=(), path=given["path"], login=login, where=f"redis+unix://{given['path']}")
    hosts = ((str(given.get("host", "localhost")), int(given.get("port", 6379))),)
    return replace(options, hosts=hosts, login=login, where=_where("redis", hosts))


def _of_sentinel(options: Options, pool: Any, login: Mapping[str, Any]) -> Options:
    watchers = [one.connection_pool.connection_kwargs for one in pool.sentinel_manager.sentinels]
    hosts = tuple((str(one["host"]), int(one["port"])) for one in watchers)
    return replace(
        options,
        shape="sentinel",
        hosts=hosts,
        service=pool.service_name,
        login=login,
        sentinel_login={key: watchers[0][key] for key in ("username", "password") if watchers[0].get(key)},
        where=_where("redis+sentinel", hosts),
    )


def _refuse(of: str, given: Mapping[str, Any]) -> None:
    """Refuse what would change the bytes on their way."""
    if given.get("decode_responses"):
        raise ConfigError(f"{of}: client has decode_responses=True, but jobs are bytes; make one without it")
    encoder = given.get("encoder_class")
    if encoder is not None and not encoder.__module__.startswith("redis."):
        raise ConfigError(f"{of}: client has an encoder_class of its own, but jobs are bytes; make one without it")


def _login(of: str, given: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    if not kind.__module__.startswith("redis."):
        raise ConfigError(f"{of}: client has a connection_class of its own, {kind.__name__}; use one of redis-py")
    login = {key: given[key] for key in _KEPT if given.get(key) is not None}
    if isinstance(given.get("socket_keepalive_options"), Mapping):  # else a mark that says "the default"
        login["socket_keepalive_options"] = given["socket_keepalive_options"]
    if issubclass(kind, links.SSLConnection):
        login |= {key: value for key, value in given.items() if key.startswith("ssl_") and value is not None}
        login["ssl"] = True
    return {key: value for key, value in login.items() if key != "db" or value}


def _where(scheme: str, hosts: tuple[tuple[str, int], ...]) -> str:
    return f"{scheme}://{','.join(f'{host}:{port}' for host, port in hosts)}"
