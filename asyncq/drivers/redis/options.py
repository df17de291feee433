"""What a connection's settings say about the server, its place and the way to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import unquote, urlsplit

from asyncq.config import Settings, mask

__all__ = ["TLS", "Options", "Shape", "options_of"]

Shape = Literal["single", "cluster", "sentinel"]
TLS: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname", "ssl_password")
_KNOWN: Final = (
    "allow_eviction", "db", "password", "retry_for", "sentinel_password", "sentinel_username", "timeout", "username",
    *TLS,
)  # fmt: skip
REMEMBERED: Final = 30.0
"""Seconds; OP_MS in lib.lua."""
_YES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Options:
    """One way to one server, or to several that are one."""

    shape: Shape
    hosts: tuple[tuple[str, int], ...]
    path: str | None = None
    """A unix socket."""
    service: str = ""
    """Name of the master that Sentinel watches."""
    timeout: float = 5.0
    """Seconds until a call that is not answered counts as lost."""
    retry_for: float = 3.0
    """Seconds in which a call that was lost is tried again before its caller hears of it."""
    allow_eviction: bool = False
    """Work with a server that may throw keys away when its memory is full."""
    login: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Database, user, password and TLS, in redis-py's words."""
    sentinel_login: Mapping[str, Any] = field(default_factory=dict[str, Any])
    where: str = ""
    """The server as messages name it."""


def options_of(settings: Settings) -> Options:
    """Read the options of a connection.

    Raises:
        ConfigError: the URL names no server, or an option is unknown or cannot be used.
    """
    settings.check_options(*_KNOWN)
    given = settings.options
    secure = settings.scheme.startswith("rediss")
    if not secure and (stray := [key for key in TLS if key in given]):
        scheme = settings.scheme.replace("redis", "rediss", 1)
        raise settings.refusal(stray[0], f"{', '.join(stray)} is for TLS; write {scheme}://")
    shape = _shape(settings.scheme)
    parts = urlsplit(f"//{settings.location}")
    path = unquote(parts.path) if settings.scheme == "redis+unix" else None
    return Options(
        shape=shape,
        hosts=() if path else _hosts(settings, parts.netloc, 26379 if shape == "sentinel" else 6379),
        path=path,
        service=_service(settings, parts.path) if shape == "sentinel" else "",
        **_patience(settings),
        allow_eviction=_yes(settings, "allow_eviction", default=False),
        login=_login(settings, secure=secure, path=path),
        sentinel_login={key[9:]: given[key] for key in ("sentinel_username", "sentinel_password") if key in given},
        where=f"{settings.scheme}://{path or parts.netloc.rpartition('@')[2]}",
    )


def _shape(scheme: str) -> Shape:
    kind = scheme.partition("+")[2]
    return "cluster" if kind == "cluster" else "sentinel" if kind == "sentinel" else "single"


def _hosts(settings: Settings, netloc: str, port: int) -> tuple[tuple[str, int], ...]:
    found: list[tuple[str, int]] = []
    for text in netloc.rpartition("@")[2].split(","):
        try:
            one = urlsplit(f"//{text}")
            found.append((one.hostname or "localhost", one.port or port))
        except ValueError:
            raise settings.refusal("url", f"{mask(settings.url)!r}: {text!r} is no host:port") from None
    return tuple(found)


def _service(settings: Settings, path: str) -> str:
    service = unquote(path.strip("/").partition("/")[0])
    if not service:
        raise settings.refusal(
            "url",
            f"{mask(settings.url)!r} does not name the master that Sentinel watches; "
            "write redis+sentinel://host:26379,host:26379/mymaster",
        )
    return service


def _login(settings: Settings, *, secure: bool, path: str | None) -> dict[str, Any]:
    given = settings.options
    user, _, password = urlsplit(f"//{settings.location}").netloc.rpartition("@")[0].partition(":")
    login: dict[str, Any] = {
        "username": given.get("username", unquote(user)) or None,
        "password": given.get("password", unquote(password)) or None,
        "db": _database(settings, path) or None,
    }
    if secure:
        login["ssl"] = True
        login |= {key: given[key] for key in TLS if key in given}
        if "ssl_check_hostname" in given:
            login["ssl_check_hostname"] = _yes(settings, "ssl_check_hostname", default=True)
    return {key: value for key, value in login.items() if value is not None}


def _database(settings: Settings, path: str | None) -> int:
    place = "" if path else settings.location.partition("/")[2].strip("/")
    if _shape(settings.scheme) == "sentinel":
        place = place.partition("/")[2]
    key = "db" if "db" in settings.options else "url"
    text = settings.options.get("db", place) or "0"
    if not text.isdecimal():
        raise settings.refusal(key, f"{mask(settings.url)!r}: {text!r} is no number of a database")
    if _shape(settings.scheme) == "cluster" and int(text):
        raise settings.refusal(
            key, f"a cluster has database 0 only, not {text}; use prefix= to keep applications apart"
        )
    return int(text)


def _seconds(settings: Settings, key: str, default: float) -> float:
    text = settings.options.get(key, str(default))
    try:
        value = float(text)
    except ValueError:
        raise settings.refusal(key, f"{key}={text!r} is no number of seconds") from None
    if not 0 < value < float("inf"):
        raise settings.refusal(key, f"{key}={text!r} must be a finite number of seconds above 0")
    return value


def _patience(settings: Settings) -> dict[str, float]:
    timeout, retry_for = _seconds(settings, "timeout", 5.0), _seconds(settings, "retry_for", 3.0)
    if timeout + retry_for > REMEMBERED:
        raise settings.refusal(
            "retry_for" if "retry_for" in settings.options else "timeout",
            f"timeout={timeout:g} and retry_for={retry_for:g} are more than {REMEMBERED:g} s together, for which "
            "the server remembers what it answered; a call that was sent again later could have its effect twice",
        )
    return {"timeout": timeout, "retry_for": retry_for}


def _yes(settings: Settings, key: str, *, default: bool) -> bool:
    text = settings.options.get(key, str(default)).lower()
    if text not in _YES:
        raise settings.refusal(key, f"{key}={text!r} is neither true nor false")
    return _YES[text]
