"""Which processes come from one process, and whether one runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

__all__ = ["descendants", "runs"]

_PROC = Path("/proc")


def descendants(pid: int) -> list[int]:
    """All processes below one, the parents first; those that ended and wait for their parent's look are no more."""
    table = _table()
    found: list[int] = []
    parents = [pid]
    while parents:
        parents = [child for child, (parent, _) in table.items() if parent in parents]
        found += [child for child in parents if table[child][1] != "Z"]
    return found


def runs(pid: int) -> bool:
    """Whether a process runs, or is frozen; a dead one whose parent has not looked at it does not."""
    return _table().get(pid, (0, "Z"))[1] != "Z"


def _table() -> dict[int, tuple[int, str]]:
    """Each process with its parent and the letter of its state."""
    return _from_proc() if (_PROC / "self" / "stat").exists() else _from_ps()


def _from_proc() -> dict[int, tuple[int, str]]:
    found: dict[int, tuple[int, str]] = {}
    for directory in _PROC.glob("[0-9]*"):
        try:
            # Its name stands in parentheses, and may hold some.
            state, parent = (directory / "stat").read_text(errors="replace").rpartition(")")[2].split()[:2]
        except OSError:
            continue  # ended since
        found[int(directory.name)] = (int(parent), state)
    return found


def _from_ps() -> dict[int, tuple[int, str]]:
    lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in lines.splitlines()]
    return {int(pid): (int(parent), state[0]) for pid, parent, state in rows}
