"""The first look at a server: whether it can keep a queue at all."""

from __future__ import annotations

import logging
from typing import Final

from redis import exceptions as redis_errors

from asyncq.drivers.redis.calls import call
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.options import Options
from asyncq.drivers.redis.pipe import can_pipe
from asyncq.errors import BrokerUnavailable, ConfigError

__all__ = ["facts_of", "greet"]

OLDEST: Final = (6, 2)
_log = logging.getLogger("asyncq.redis")


async def greet(link: Link, options: Options, home: str) -> None:
    """Refuse a server that is too old, that throws jobs away when its memory is full, or that refuses our calls.

    Raises:
        ConfigError: the server cannot keep a queue, or refuses this user.
        BrokerUnavailable: it does not answer.
    """
    if not can_pipe():
        _log.warning("hiredis is not installed, so each call costs several times as much: pip install 'asyncq[redis]'")
    await _judge(link, options)
    try:
        await link.run(call("probe", [home]))
    except BrokerUnavailable as error:
        _log.warning("%s; it may take calls later", error)


async def _judge(link: Link, options: Options) -> None:
    try:
        facts = await facts_of(link)
    except ConfigError as error:
        if not isinstance(error.__cause__, redis_errors.NoPermissionError):
            raise
        _log.warning("%s: whether it throws keys away is not known, since its user may not run INFO", link.where)
        return
    version = facts.get("redis_version", "")
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers and numbers < OLDEST:
        raise ConfigError(f"{link.where} is Redis {version}; asyncq needs Redis 6.2 or newer, or Valkey")
    policy = facts.get("maxmemory_policy", "noeviction")
    if policy == "noeviction" or facts.get("maxmemory", "0") == "0":
        return
    if policy.startswith("allkeys") and not options.allow_eviction:
        raise ConfigError(
            f"{link.where} has maxmemory-policy {policy}: it throws jobs away when its memory is full; "
            "set noeviction, or give this connection allow_eviction=true to live with lost jobs"
        )
    _log.warning(
        "%s has maxmemory-policy %s: keys that expire may vanish early; noeviction is safe", link.where, policy
    )


async def facts_of(link: Link) -> dict[str, str]:
    """Return what INFO says; a node of a cluster answers for itself."""
    text = await link.command("INFO")
    lines = (line.partition(":") for line in text.decode(errors="replace").splitlines() if ":" in line)
    return {key: value for key, _, value in lines}
