"""A Redis server on which one call plays: empty at first, with a look at all that the call changed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from asyncq.config import Connection
from asyncq.drivers import connect
from tests.support.changes import Plan, Scene, plain
from tests.support.redis import RedisServer

__all__ = ["dump", "outcome_of", "scene_of"]


@asynccontextmanager
async def scene_of(plan: Plan, url: str, server: RedisServer) -> AsyncGenerator[Scene]:
    """Empty the server, prepare what stands before the call, and let the server forget the scripts."""
    server.command("FLUSHALL")
    url = f"{url}{'&' if '?' in url else '?'}prefix=t"
    async with connect(Connection(url)) as driver:
        scene = Scene(driver, url)
        await plan.prepare(scene)
        server.command("SCRIPT", "FLUSH")
        yield scene


async def outcome_of(plan: Plan, scene: Scene, server: RedisServer) -> tuple[str, dict[str, Any]]:
    """What the call answered, and all that the server holds then; instants and tokens are like any others."""
    answer = await plan.call(scene)
    return plain(repr(answer)), dump(server)


def dump(server: RedisServer) -> dict[str, Any]:
    """All keys but the memory of calls, in one round trip: whether a key lives for ever, and what it holds."""
    return {key: (ttl >= 0, _content(kind, found)) for key, kind, ttl, found in server.command("EVAL", _ALL, 0)}


_ALL = """
local all = {}
local looks = { string = { 'GET' }, hash = { 'HGETALL' }, set = { 'SMEMBERS' }, list = { 'LRANGE', '0', '-1' },
  zset = { 'ZRANGE', '0', '-1', 'WITHSCORES' } }
for _, key in ipairs(redis.call('KEYS', '*')) do
  if not string.find(key, ':op:', 1, true) then
    local kind = redis.call('TYPE', key).ok
    local look = looks[kind]
    all[#all + 1] = { key, kind, redis.call('TTL', key), redis.call(look[1], key, unpack(look, 2)) }
  end
end
return all
"""


def _content(kind: str, found: Any) -> Any:
    if kind in {"hash", "zset"}:
        return sorted(map(plain, map(repr, zip(found[::2], found[1::2], strict=True))))
    return plain(found) if kind == "string" else sorted(map(plain, found))
