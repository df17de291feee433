"""`connect(url)`: from a URL's scheme to the driver's module, which is imported only then."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import cast

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.errors import ConfigError, MissingDependency, UnknownDriver

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

_EXTRAS = {"asyncq.drivers.redis": "redis"}
"""Libraries that a driver needs, which is also the name of the extra that brings them."""
_TAKES_CLIENT = "asyncq.drivers.redis:"


def connect(connection: str | Connection, /, *, name: str = "default", clock: Clock = SYSTEM_CLOCK) -> Driver:
    """Make the driver of a URL; `async with` opens it.

    Raises:
        UnknownDriver: no driver has this scheme.
        ConfigError: the URL or one of its options cannot be used.
        MissingDependency: the driver's library is not installed.
    """
    settings = (Connection(connection) if isinstance(connection, str) else connection).settings(name)
    if settings.scheme not in SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in sorted(SCHEMES))
        raise UnknownDriver(f"connection {name!r}: no driver for {settings.scheme}://; there are {known}")
    if settings.client is not None and not SCHEMES[settings.scheme].startswith(_TAKES_CLIENT):
        raise ConfigError(f"connection {name!r}: {settings.scheme}:// takes no client")
    module, _, attribute = SCHEMES[settings.scheme].partition(":")
    return cast(Driver, getattr(_imported(module, settings.scheme), attribute)(settings, clock))


def _imported(module: str, scheme: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(module)
        if extra is None or (error.name or "").partition(".")[0] != extra:
            raise
        raise MissingDependency(
            f"{scheme}:// needs the library {extra}, which is not installed: pip install 'asyncq[{extra}]'"
        ) from error
