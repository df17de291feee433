"""The longest step that a server took since it was asked to watch."""

from __future__ import annotations

from urllib.parse import urlsplit

import redis

from benchmarks.rivals.postgres_wire import Wire

__all__ = ["longest_ms", "watch"]

SLOW_US = 2_000
"""Commands of Redis that took longer are in its slow log, whose longest entry we read."""


def watch(url: str) -> None:
    """Forget what was before."""
    match urlsplit(url).scheme:
        case "redis":
            with redis.Redis.from_url(url) as server:
                server.config_set("slowlog-log-slower-than", SLOW_US)
                server.slowlog_reset()
        case "postgresql":
            with Wire(url) as server:
                server.rows("SELECT pg_stat_statements_reset()")


def longest_ms(url: str) -> float:
    """Return how long it took; 0 where there is no server to ask."""
    match urlsplit(url).scheme:
        case "redis":
            with redis.Redis.from_url(url) as server:
                return max((entry["duration"] for entry in server.slowlog_get(128)), default=SLOW_US) / 1e3
        case "postgresql":
            with Wire(url) as server:
                return float(server.rows("SELECT max(max_exec_time) FROM pg_stat_statements")[0][0] or 0)
        case _:
            return 0.0
