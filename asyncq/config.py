"""Frozen settings of a connection; the only reader of `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asyncq.clock import Seconds, seconds
from asyncq.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["DEFAULT_LEASE", "ChildPipes", "Connection", "Settings", "environment", "mask", "project_root"]

DEFAULT_LEASE = 30.0
_CHILD = "ASYNCQ_CHILD"
_UNSET: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class Settings:
    """What a driver is made from: one connection, fully resolved."""

    name: str
    url: str
    scheme: str
    location: str
    """What follows the scheme, without the query: a path, or host and database."""
    queue: str = "default"
    lease: float = DEFAULT_LEASE
    block_for: float | None = 5.0
    prefix: str = "asyncq"
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Options of the driver's own, from the query of the URL."""
    client: object | None = None
    """A client of the user's own, for drivers that can take their server and its login from one."""


class Connection:
    """A broker by URL, with options; options in the URL's query do the same.

    `lease` is how long a reservation lasts without a sign of life, in seconds; `retry_after` is its other name.
    `queue` is the queue of jobs that name none. `block_for` is the longest wait for a job in one call, in seconds:
    0 has no limit, None never waits in the broker. `client` is a client of the broker's library that you have already:
    its server, login and TLS are used, by connections of our own.
    """

    __slots__ = ("client", "options", "url")

    def __init__(
        self,
        url: str,
        *,
        lease: Seconds | None = None,
        retry_after: Seconds | None = None,
        queue: str | None = None,
        block_for: Seconds | None = _UNSET,
        prefix: str | None = None,
        client: object | None = None,
        **options: str,
    ) -> None:
        if lease is not None and retry_after is not None:
            raise ConfigError("lease and retry_after are two names of one setting; give one of them")
        given = {"lease": lease if lease is not None else retry_after}
        durations = {key: str(seconds(value, key)) for key, value in given.items() if value is not None}
        if block_for is not _UNSET:
            durations["block_for"] = "none" if block_for is None else str(seconds(block_for, "block_for"))
        texts = {key: value for key, value in {"queue": queue, "prefix": prefix}.items() if value is not None}
        self.url = url
        self.client = client
        self.options: Mapping[str, str] = MappingProxyType({**options, **texts, **durations})

    @classmethod
    def from_texts(cls, url: str, options: Mapping[str, str]) -> Connection:
        """Make a connection from texts, as environment and TOML have them."""
        made = cls(url)
        made.options = MappingProxyType(dict(options))
        return made

    def __repr__(self) -> str:
        return f"Connection({mask(self.url)!r})"

    def settings(self, name: str) -> Settings:
        """Resolve the URL and the options into what a driver is made from."""
        from urllib.parse import parse_qsl, urlsplit

        parts = urlsplit(self.url)
        if not parts.scheme:
            raise ConfigError(
                f"connection {name!r}: {mask(self.url)!r} is no URL; write for example sqlite:///queue.db"
            )
        options = {**dict(parse_qsl(parts.query, keep_blank_values=True)), **self.options}
        if "retry_after" in options:
            options.setdefault("lease", options.pop("retry_after"))
        lease = _number(name, "lease", options.pop("lease", str(DEFAULT_LEASE)))
        block_for = options.pop("block_for", "5")
        return Settings(
            name=name,
            url=self.url,
            scheme=parts.scheme,
            location=parts.netloc + parts.path,
            queue=options.pop("queue", "default"),
            lease=lease,
            block_for=None if block_for in {"none", "None", ""} else _number(name, "block_for", block_for),
            prefix=options.pop("prefix", "asyncq"),
            options=MappingProxyType(options),
            client=self.client,
        )


def _number(name: str, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ConfigError(f"connection {name!r}: {key}={text!r} is no number of seconds") from None
    if not 0 <= value < float("inf"):
        raise ConfigError(f"connection {name!r}: {key}={text!r} must be a finite number of seconds, 0 or more")
    return value


def environment() -> dict[str, str]:
    """Return the variables that are meant for asyncq and say something: `ASYNCQ_…`, not empty."""
    return {key: value for key, value in os.environ.items() if key.startswith("ASYNCQ_") and key != _CHILD and value}


def plain_environment() -> dict[str, str]:
    """Return the environment of a process that shall not see what was set for asyncq here."""
    return {key: value for key, value in os.environ.items() if not key.startswith("ASYNCQ_")}


class ChildPipes(NamedTuple):
    """Descriptors that a parent of `--processes` gives to a child."""

    parent: int
    """Ends when the parent does."""
    ledger: int
    predecessor: int | None = None
    """Ledger of a killed process whose place the child takes."""


def child_pipes() -> ChildPipes | None:
    """Return what the parent gave, once: a process that a job starts is no child of it."""
    text = os.environ.pop(_CHILD, "")
    return ChildPipes(*map(int, text.split(","))) if text else None


def child_environment(*fds: int) -> dict[str, str]:
    """Return the environment for a child."""
    return {**os.environ, _CHILD: ",".join(map(str, fds))}


def project_root(start: Path | None = None) -> Path:
    """Return the nearest folder upwards that has a `pyproject.toml`, `manage.py` or `.git`, else the start itself."""
    from pathlib import Path

    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if any((folder / mark).exists() for mark in ("pyproject.toml", "manage.py", ".git")):
            return folder
    return here


def mask(url: str) -> str:
    """Return the URL without its password, for messages and logs."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if not parts.password:
        return url
    return url.replace(f":{parts.password}@", ":***@", 1)
