"""`connect(url)`: from a URL's scheme to the driver's module, which is imported only then."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.errors import UnknownDriver

__all__ = ["SCHEMES", "connect"]

SCHEMES = {
    "memory": "asyncq.drivers.memory:MemoryDriver",
    "sqlite": "asyncq.drivers.sqlite:SqliteDriver",
    **dict.fromkeys(
        (
            "redis",
            "rediss",
            "redis+unix",
            "redis+cluster",
            "rediss+cluster",
            "redis+sentinel",
            "rediss+sentinel",
        ),
        "asyncq.drivers.redis:RedisDriver",
    ),
    "sync": "asyncq.drivers.sync:SyncDriver",
    "null": "asyncq.drivers.null:NullDriver",
}


def connect(connection: str | Connection, /, *, name: str = "default", clock: Clock = SYSTEM_CLOCK) -> Driver:
    """Make the driver of a URL; `async with` opens it.

    Raises:
        UnknownDriver: no driver has this scheme.
        ConfigError: the URL or one of its options cannot be used.
    """
    settings = (Connection(connection) if isinstance(connection, str) else connection).settings(name)
    if settings.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in sorted(SCHEMES))
        raise UnknownDriver(f"connection {name!r}: no driver for {settings.scheme}://; there are {known}")
    module, _, attribute = SCHEMES[settings.scheme].partition(":")
    return cast(Driver, getattr(import_module(module), attribute)(settings, clock))
