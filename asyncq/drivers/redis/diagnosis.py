"""What `asyncq doctor` says of a server: its version, what it keeps over a crash, its memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from asyncq.drivers.redis.greeting import facts_of
from asyncq.drivers.redis.link import Link
from asyncq.drivers.redis.options import Options
from asyncq.errors import ConfigError
from asyncq.records import Fact

__all__ = ["diagnose"]

FULL: Final = 0.9
"""Share of the memory from which on a server is called nearly full."""
_SHAPES: Final = {
    "single": "one server",
    "cluster": "a node of a cluster",
    "sentinel": "the master that Sentinel names",
}
_ON_DISK: Final = "`CONFIG SET appendonly yes`, and in the server's file"


async def diagnose(link: Link, options: Options) -> list[Fact]:
    """Ask the server about itself; in a cluster, one node of it."""
    try:
        info = await facts_of(link)
    except ConfigError:
        return [Fact("its user may not run INFO, so nothing is known of the server", "warning", "give the user +info")]
    policy, snapshots = await _setting(link, "appendfsync"), await _setting(link, "save")
    persistence = _persistence(info, policy, snapshots=bool(snapshots))
    return [_version(info, options), *persistence, *_memory(info), *_role(info)]


async def _setting(link: Link, name: str) -> str | None:
    """Return a setting of the server; None where the user may not ask."""
    try:
        answer: list[bytes] = await link.command("CONFIG", "GET", name)
    except ConfigError:
        return None
    return answer[1].decode() if len(answer) > 1 else None


def _version(info: Mapping[str, str], options: Options) -> Fact:
    valkey = info.get("valkey_version")
    name = f"Valkey {valkey}" if valkey else f"Redis {info.get('redis_version', '?')}"
    return Fact(f"{name}, {_SHAPES[options.shape]}")


def _persistence(info: Mapping[str, str], policy: str | None, *, snapshots: bool) -> Iterator[Fact]:
    if info.get("aof_enabled") == "1":
        yield _log(policy)
    elif snapshots:
        yield Fact("it has snapshots only: its death takes back the jobs since the last one", "warning", _ON_DISK)
    else:
        yield Fact("it keeps no log on its disk: its death takes back jobs that were accepted", "warning", _ON_DISK)
    for key, what in (("aof_last_write_status", "log"), ("rdb_last_bgsave_status", "snapshot")):
        if info.get(key, "ok") != "ok":
            yield Fact(f"the last write of its {what} to the disk failed", "problem", "see its log; is the disk full?")


def _log(policy: str | None) -> Fact:
    if policy == "always":
        return Fact("appendonly yes, appendfsync always: an accepted job is on the disk")
    if policy is None:
        return Fact("appendonly yes; its user may not ask how often that is written to the disk")
    lost = "the last second" if policy == "everysec" else "as much as the system kept in memory"
    return Fact(
        f"appendonly yes, appendfsync {policy}: a power cut may take back {lost}",
        "warning",
        "`CONFIG SET appendfsync always`, and in the server's file",
    )


def _memory(info: Mapping[str, str]) -> Iterator[Fact]:
    used, most = int(info.get("used_memory", "0")), int(info.get("maxmemory", "0"))
    policy = info.get("maxmemory_policy", "noeviction")
    shown = f"{info.get('used_memory_human', used)} of memory used"
    if not most:
        yield Fact(f"{shown}, maxmemory is not set, maxmemory-policy {policy}")
        return
    shown = f"{shown} of {info.get('maxmemory_human', most)}, maxmemory-policy {policy}"
    if policy != "noeviction":
        yield Fact(f"{shown}: it may throw keys away", "warning", "`CONFIG SET maxmemory-policy noeviction`")
    elif used > FULL * most:
        yield Fact(f"{shown}: it soon refuses new jobs", "warning", "raise maxmemory, or start more workers")
    else:
        yield Fact(shown)


def _role(info: Mapping[str, str]) -> Iterator[Fact]:
    if info.get("role") == "slave":
        yield Fact(
            "it is a replica, which takes no writes", "problem", "connect to its master, or by redis+sentinel://"
        )
