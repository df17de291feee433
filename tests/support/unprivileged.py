"""How a program is started that refuses to run as root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ["give_away", "unprivileged"]

NOBODY = 65534
_NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
_SETUID = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def unprivileged(command: Sequence[str]) -> list[str]:
    """Run as an ordinary user what root asks for; the process that starts is the program's own."""
    if os.geteuid() != 0:
        return list(command)
    return [*(_NAMESPACE if _namespaces() else _SETUID), *command]


def give_away(directory: Path) -> None:
    """Let such a program own a folder and all in it."""
    if os.geteuid() == 0 and not _namespaces():
        # Its programs may not lie below root's home, which only root may enter.
        for path in [directory, *directory.rglob("*")]:
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)


@cache
def _namespaces() -> bool:
    """Whether root may call itself another user: no second user is needed then, and nothing changes hands."""
    try:
        return subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
