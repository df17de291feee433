"""What a connection's settings say about the server, its database and the way to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from asyncq.config import Settings, mask

__all__ = ["Options", "options_of"]

_LIBPQ: Final = (
    "application_name", "connect_timeout", "dbname", "database", "host", "krbsrvname", "passfile", "password", "port",
    "sslcert", "sslcrl", "sslkey", "sslmode", "sslpassword", "sslrootcert", "ssl_max_protocol_version",
    "ssl_min_protocol_version", "target_session_attrs", "user",
)  # fmt: skip
"""Options of every PostgreSQL URL, which are handed on."""
_KNOWN: Final = ("listen", "pgbouncer", "poll", "pool", "retry_for", "schema", "timeout", *_LIBPQ)
_YES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
_SCHEMA: Final = re.compile(r"[A-Za-z_]\w{0,49}", re.ASCII)
REMEMBERED: Final = 60.0
"""Seconds for which the server keeps what a call answered."""


@dataclass(frozen=True, slots=True)
class Options:
    """One way to one database."""

    dsn: str
    schema: str = "asyncq"
    listen: str | None = None
    """Where notifications are heard; None: nowhere, the tables are looked at instead."""
    pooled: bool = False
    """A pooler of transactions stands between: statements must not need the connection of the one before."""
    pool: int = 10
    """Most connections of one process, beside those that listen and keep leases."""
    poll: float = 0.5
    """Longest time in seconds between two looks where no notification is heard."""
    timeout: float = 5.0
    """Seconds until a call that is not answered counts as lost."""
    retry_for: float = 3.0
    """Seconds in which a call that was lost is tried again before its caller hears of it."""
    where: str = ""
    """The server as messages name it."""


def options_of(settings: Settings) -> Options:
    """Read the options of a connection.

    Raises:
        ConfigError: the URL cannot be one of PostgreSQL, or an option is unknown or cannot be used.
    """
    settings.check_options(*_KNOWN)
    dsn, pooled = _dsn(settings), _yes(settings, "pgbouncer")
    timeout, retry_for = _seconds(settings, "timeout", 5.0), _seconds(settings, "retry_for", 3.0)
    if timeout + retry_for > REMEMBERED / 2:
        raise settings.refusal(
            "retry_for" if "retry_for" in settings.options else "timeout",
            f"timeout={timeout:g} and retry_for={retry_for:g} are more than {REMEMBERED / 2:g} s together; a call "
            "that was sent again later could have its effect twice",
        )
    return Options(
        dsn=dsn,
        schema=_schema(settings),
        listen=_listen(settings, dsn, pooled=pooled),
        pooled=pooled,
        pool=_count(settings, "pool", 10),
        poll=_seconds(settings, "poll", 0.5),
        timeout=timeout,
        retry_for=retry_for,
        where=_where(settings),
    )


def _dsn(settings: Settings) -> str:
    given = {key: value for key, value in settings.options.items() if key in _LIBPQ}
    try:
        urlsplit(f"//{settings.location}").port  # noqa: B018 - looks at it
    except ValueError as error:
        if "," not in settings.location:
            raise settings.refusal("url", f"{mask(settings.url)!r} is no URL of PostgreSQL ({error})") from None
    # After a failover the first host of several may be the one that takes no writes.
    query = {"target_session_attrs": "read-write", **given} if "," in settings.location else given
    return f"postgresql://{settings.location}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")


def _schema(settings: Settings) -> str:
    """The schema is what keeps applications apart, so the prefix of a connection names it."""
    key = "schema" if "schema" in settings.options else "prefix"
    name = settings.options.get("schema", settings.prefix)
    if _SCHEMA.fullmatch(name) is None:
        raise settings.refusal(key, f"{key}={name!r} cannot name a schema; use a letter, then letters, digits and _")
    return name


def _listen(settings: Settings, dsn: str, *, pooled: bool) -> str | None:
    text = settings.options.get("listen", "off" if pooled else "on")
    if text in {"on", "off"}:
        if text == "on" and pooled:
            raise settings.refusal(
                "listen", "listen='on' does not work behind PgBouncer; give the URL of the server itself, or 'off'"
            )
        return dsn if text == "on" else None
    if text.partition("://")[0] not in {"postgresql", "postgres"}:
        raise settings.refusal("listen", f"listen={mask(text)!r} is none of 'on', 'off' and a URL of PostgreSQL")
    return text


def _where(settings: Settings) -> str:
    host, _, database = settings.location.rpartition("@")[2].partition("/")
    database = database or settings.options.get("dbname") or settings.options.get("database", "")
    return f"postgresql://{host or settings.options.get('host', '')}/{database}"


def _seconds(settings: Settings, key: str, default: float) -> float:
    text = settings.options.get(key, str(default))
    try:
        value = float(text)
    except ValueError:
        raise settings.refusal(key, f"{key}={text!r} is no number of seconds") from None
    if not 0 < value < float("inf"):
        raise settings.refusal(key, f"{key}={text!r} must be a finite number of seconds above 0")
    return value


def _count(settings: Settings, key: str, default: int) -> int:
    text = settings.options.get(key, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise settings.refusal(key, f"{key}={text!r} is no whole number of 1 or more")
    return int(text)


def _yes(settings: Settings, key: str) -> bool:
    text = settings.options.get(key, "false").lower()
    if text not in _YES:
        raise settings.refusal(key, f"{key}={text!r} is neither true nor false")
    return _YES[text]
