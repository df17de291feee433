"""`connect(url)`: from a URL's scheme to the driver's module, which is imported only then.

A package brings a driver of its own by an entry point in the group `asyncq.drivers`: its name is the scheme, its
object is called with (Settings, Clock) and returns a `Driver` that is not open yet.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import cast

from asyncq.clock import SYSTEM_CLOCK, Clock
from asyncq.config import Connection, Settings
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
    **dict.fromkeys(("postgresql", "postgres"), "asyncq.drivers.postgres:PostgresDriver"),
    "sync": "asyncq.drivers.sync:SyncDriver",
    "background": "asyncq.drivers.background:BackgroundDriver",
    "deferred": "asyncq.drivers.deferred:DeferredDriver",
    "null": "asyncq.drivers.null:NullDriver",
}

GROUP = "asyncq.drivers"
"""Entry points by which packages bring drivers of their own."""

_EXTRAS = {"asyncq.drivers.redis": ("redis", "redis"), "asyncq.drivers.postgres": ("asyncpg", "postgres")}
"""The library that a driver needs, and the extra that brings it."""
_TAKES_CLIENT = "asyncq.drivers.redis:"


def connect(connection: str | Connection, /, *, name: str = "default", clock: Clock = SYSTEM_CLOCK) -> Driver:
    """Make the driver of a URL; `async with` opens it.

    Raises:
        UnknownDriver: no driver has this scheme.
        ConfigError: the URL or one of its options cannot be used, or a package's driver cannot be imported.
        MissingDependency: the driver's library is not installed.
    """
    settings = (Connection(connection) if isinstance(connection, str) else connection).settings(name)
    place = SCHEMES.get(settings.scheme)
    if place is None:
        return _foreign(settings, clock)
    if settings.client is not None and not place.startswith(_TAKES_CLIENT):
        raise ConfigError(f"connection {name!r}: {settings.scheme}:// takes no client")
    module, _, attribute = place.partition(":")
    return cast(Driver, getattr(_imported(module, settings.scheme), attribute)(settings, clock))


def _foreign(settings: Settings, clock: Clock) -> Driver:
    """Make a driver that another package brings."""
    from importlib.metadata import entry_points  # here: it takes 20 ms

    points = {point.name: point for point in entry_points(group=GROUP)}
    point = points.get(settings.scheme)
    if point is None:
        known = ", ".join(f"{scheme}://" for scheme in sorted({*SCHEMES, *points}))
        raise UnknownDriver(f"connection {settings.name!r}: no driver for {settings.scheme}://; there are {known}")
    try:
        make = point.load()
    except (ImportError, AttributeError) as error:
        what = f"the driver of {settings.scheme}://, {point.value}, cannot be imported"
        raise ConfigError(f"connection {settings.name!r}: {what}: {error}") from error
    return cast(Driver, make(settings, clock))


def _imported(module: str, scheme: str) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library, extra = _EXTRAS.get(module, (None, None))
        if library is None or (error.name or "").partition(".")[0] != library:
            raise
        raise MissingDependency(
            f"{scheme}:// needs the library {library}, which is not installed: pip install 'asyncq[{extra}]'"
        ) from error
