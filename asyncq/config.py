"""Frozen settings of a connection; the only reader of `os.environ`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from asyncq.clock import Seconds, seconds
from asyncq.errors import ConfigError, WrongType
from asyncq.nearest import hint

if TYPE_CHECKING:
    from pathlib import Path
    from urllib.parse import SplitResult

__all__ = ["COMMON", "DEFAULT_LEASE", "ChildPipes", "Connection", "Settings", "environment", "mask", "project_root"]

DEFAULT_LEASE = 30.0
COMMON: Final = ("lease", "retry_after", "queue", "block_for", "prefix", "after_commit")
"""Options of every connection, whatever its driver."""
_CHILD = "ASYNCQ_CHILD"
_UNSET: Final[Any] = object()
_TRUTHS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_LOGIN: Final = re.compile(r"^([^:/?#]+://[^:@/?#]*:)[^/?#]+(?=@)")
_PASSWORD: Final = re.compile(r"([?&][^=&]*password=)[^&#]*")


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
    after_commit: bool | None = None
    """Whether dispatches wait for an open transaction to commit; None where nothing was said."""
    options: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Options of the driver's own, from the query of the URL."""
    client: object | None = None
    """A client of the user's own, for drivers that can take their server and its login from one."""
    sources: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where each key that was set comes from."""

    def refusal(self, key: str, reason: str) -> ConfigError:
        """Return the error of a key that cannot be used; it names the connection, and who set the key."""
        return _refusal(self.name, reason, self.sources.get(key))

    def check_options(self, *known: str) -> None:
        """Refuse options that are neither of all connections nor of this driver.

        Raises:
            ConfigError: naming the option, who set it, and the nearest known one.
        """
        for key in self.options:
            if key not in known:
                raise self.refusal(key, f"unknown option {key!r}{hint(key, [*known, *COMMON])}")


class Connection:
    """A broker by URL, with options; options in the URL's query do the same.

    `lease` is how long a reservation lasts without a sign of life, in seconds; `retry_after` is its other name.
    `queue` is the queue of jobs that name none. `block_for` is the longest wait for a job in one call, in seconds:
    0 has no limit, None never waits in the broker. `after_commit` says whether dispatches wait for the commit of a
    transaction that is open around them (see `asyncq.after_commit`). `client` is a client of the broker's library that
    you have already: its server, login and TLS are used, by connections of our own. Other options are the driver's.
    """

    __slots__ = ("client", "options", "sources", "url")

    def __init__(
        self,
        url: str,
        *,
        lease: Seconds | None = None,
        retry_after: Seconds | None = None,
        queue: str | None = None,
        block_for: Seconds | None = _UNSET,
        prefix: str | None = None,
        after_commit: bool | None = None,
        client: object | None = None,
        **options: str | float,
    ) -> None:
        if not isinstance(url, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers that are not checked
            raise WrongType(f"Connection takes a URL as its first argument, not {url!r}; write sqlite:///queue.db")
        if lease is not None and retry_after is not None:
            raise ConfigError("Connection: lease and retry_after are two names of one setting; give one of them")
        given = {"lease": lease if lease is not None else retry_after}
        durations = {key: str(seconds(value, _ours(key))) for key, value in given.items() if value is not None}
        if block_for is not _UNSET:
            durations["block_for"] = "none" if block_for is None else str(seconds(block_for, _ours("block_for")))
        named = {"queue": queue, "prefix": prefix, "after_commit": after_commit}
        texts = {key: value for key, value in named.items() if value is not None}
        own = {key: text_of(_ours(key), value) for key, value in {**options, **texts}.items()}
        self.url = url
        self.client = client
        self.options: Mapping[str, str] = MappingProxyType({**own, **durations})
        self.sources: Mapping[str, str] = MappingProxyType(dict.fromkeys(self.options, "Connection(...)"))

    @classmethod
    def from_texts(cls, url: str, options: Mapping[str, str], sources: Mapping[str, str]) -> Connection:
        """Make a connection from texts, as environment and TOML have them; `sources` says where each comes from."""
        made = cls(url)
        made.options = MappingProxyType(dict(options))
        made.sources = MappingProxyType(dict(sources))
        return made

    def __repr__(self) -> str:
        return f"Connection({mask(self.url)!r})"

    def settings(self, name: str) -> Settings:
        """Resolve the URL and the options into what a driver is made from.

        Raises:
            ConfigError: the URL is none, or an option of all connections cannot be used.
        """
        parts, query = _parted(name, self.url, self.sources.get("url"))
        sources = {**dict.fromkeys(query, self.sources.get("url", "the URL")), **self.sources}
        options = {**query, **self.options}
        lease = _number(name, "lease", options.pop("lease", str(DEFAULT_LEASE)), sources)
        block_for = options.pop("block_for", "5")
        return Settings(
            name=name,
            url=self.url,
            scheme=parts.scheme,
            location=parts.netloc + parts.path,
            queue=_word(name, "queue", options.pop("queue", "default"), sources),
            lease=lease,
            block_for=None if block_for in {"none", "None", ""} else _number(name, "block_for", block_for, sources),
            prefix=_word(name, "prefix", options.pop("prefix", "asyncq"), sources),
            after_commit=_flag(name, "after_commit", options.pop("after_commit", None), sources),
            options=MappingProxyType(options),
            client=self.client,
            sources=MappingProxyType(sources),
        )


def text_of(what: str, value: object) -> str:
    """Return an option as the text that a URL would hold.

    Raises:
        WrongType: it is neither a text nor a number nor a truth value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise WrongType(f"{what} takes a text or a number, not {value!r}")


def _ours(key: str) -> str:
    return f"Connection: {key}"


def _parted(name: str, url: str, source: str | None) -> tuple[SplitResult, dict[str, str]]:
    """Return the parts of a URL, and its query with `retry_after` under its first name."""
    from urllib.parse import parse_qsl, urlsplit

    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise _refusal(name, f"{mask(url)!r} is no URL ({error})", source) from None
    if not parts.scheme or "://" not in url:
        raise _refusal(name, f"{mask(url)!r} is no URL; write for example sqlite:///queue.db", source)
    options: dict[str, str] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        key = first_name(key)  # noqa: PLW2901 - the same key
        if key in options:
            raise _refusal(name, f"{mask(url)!r} sets {key} twice; remove one of them", source)
        options[key] = value
    return parts, options


def first_name(key: str) -> str:
    """Return the name of an option that has two."""
    return "lease" if key == "retry_after" else key


def _refusal(name: str, reason: str, source: str | None) -> ConfigError:
    return ConfigError(f"connection {name!r}: {reason}" + (f" (set by {source})" if source else ""))


def _number(name: str, key: str, text: str, sources: Mapping[str, str]) -> float:
    try:
        value = float(text)
    except ValueError:
        raise _refusal(name, f"{key}={text!r} is no number of seconds", sources.get(key)) from None
    if not 0 <= value < float("inf"):
        raise _refusal(name, f"{key}={text!r} must be a finite number of seconds, 0 or more", sources.get(key))
    return value


def _word(name: str, key: str, text: str, sources: Mapping[str, str]) -> str:
    if not text:
        raise _refusal(name, f"{key} is empty; write a name, or leave it out", sources.get(key))
    return text


def _flag(name: str, key: str, text: str | None, sources: Mapping[str, str]) -> bool | None:
    if text is None:
        return None
    if text.lower() not in _TRUTHS:
        raise _refusal(name, f"{key}={text!r} takes true or false", sources.get(key))
    return _TRUTHS[text.lower()]


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
    """Return the URL without its passwords, for messages and logs."""
    return _PASSWORD.sub(r"\1***", _LOGIN.sub(r"\1***", url, count=1))
