"""The Lua scripts, put together from files once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Script", "script"]

_FOLDER = Path(__file__).parent / "lua"
_LIBRARIES = {
    "ahead": (),
    "cancel": ("effects_lib", "settle_lib", "look_lib"),
    "clear": ("effects_lib", "settle_lib"),
    "extend": (),
    "find": ("look_lib",),
    "free": ("effects_lib", "settle_lib"),
    "page": ("look_lib",),
    "probe": (),
    "push": (),
    "recover": (),
    "reserve": ("reserve_lib",),
    "settle": ("effects_lib", "settle_lib"),
    "sizes": (),
    "turn": ("reserve_lib", "effects_lib", "settle_lib"),
}
"""What each script needs before it; those of the stores all need the effects."""
_READING = {"ahead", "extend", "find", "page", "probe", "sizes"}
"""Those that a repeat does no harm to."""
_OWN_WAY = {"reserve", "turn"}
"""Those that remember their answer themselves."""
_FILLING = {"push", "batch_create", "batch_grow"}
"""What a server without memory may refuse. All the rest goes on, since it drains the queues, or is a few bytes."""
_READING_STORES = {"batch_get", "failed_page", "limit_state", "signal_get", "signal_page", "slots_state"}


@dataclass(frozen=True, slots=True)
class Script:
    """One script as the server gets it."""

    name: str
    source: bytes
    sha: str
    once: bool
    """Takes an operation's id as its first argument, and answers a repeat with its first answer."""


@cache
def script(name: str) -> Script:
    """Return a script by the name of its file; those of the stores as `stores/…`."""
    kind, _, own = name.rpartition("/")
    libraries = ("effects_lib", "stores/batch_lib") if kind else _LIBRARIES[name]
    once = own not in _READING_STORES if kind else name not in _READING | _OWN_WAY
    drains = ["drains"] if once and own not in _FILLING else []
    parts = ["lib", *libraries, *drains, *(["once_head", name, "once_tail"] if once else [name])]
    source = "\n".join((_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in parts).encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest(), once)
