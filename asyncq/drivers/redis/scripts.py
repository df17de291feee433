"""The Lua scripts, put together from files once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["Script", "script"]

_FOLDER = Path(__file__).parent / "lua"
_EFFECTS = ("push_lib", "effects_lib")
_SETTLING = ("jobs_lib", *_EFFECTS, "settle_lib")
_LIBRARIES = {
    "ahead": (),
    "cancel": ("jobs_lib", "look_lib"),
    "clear": ("jobs_lib",),
    "extend": ("jobs_lib",),
    "find": ("look_lib",),
    "free": ("jobs_lib",),
    "page": ("look_lib",),
    "probe": (),
    "push": ("push_lib",),
    "recover": ("jobs_lib",),
    "reserve": ("jobs_lib", "reserve_lib"),
    "settle": _SETTLING,
    "sizes": (),
    "turn": (*_SETTLING, "reserve_lib"),
}
"""What each script needs before it, and no more, since each function costs a call; the stores' all need the effects."""
_READING = {"ahead", "extend", "find", "page", "probe", "sizes"}
"""Those that a repeat does no harm to."""
_OWN_WAY = {"reserve", "turn"}
"""Those whose operation is named by the fencing token, and that remember their answer themselves."""
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
    libraries = (*_EFFECTS, "stores/batch_lib") if kind else _LIBRARIES[name]
    once = own not in _READING_STORES if kind else name not in _READING | _OWN_WAY
    drains = ["drains"] if once and own not in _FILLING else []
    wrapped = once and name != "push"  # which remembers in its own, quicker way
    parts = ["lib", *libraries, *drains, *(["once_head", name, "once_tail"] if wrapped else [name])]
    source = "\n".join((_FOLDER / f"{part}.lua").read_text(encoding="utf-8") for part in parts).encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest(), once)
