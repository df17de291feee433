"""What the figures were measured on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path

from benchmarks.harness.case import Case

__all__ = ["facts", "line", "versions"]

LIST = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"


def facts() -> dict[str, str]:
    """The machine, without its name."""
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        "processor": _processor(),
    }


def line() -> str:
    """The same in one line."""
    known = facts()
    return f"{known['python']}, {known['system']}, {known['cores']} cores ({known['processor']})"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def versions(cases: Iterable[Case]) -> dict[str, dict[str, str]]:
    """All distributions of each contender's environment."""
    found: dict[str, dict[str, str]] = {}
    for case in cases:
        if case.contender not in found:
            found[case.contender] = _distributions(case)
    return found


def _distributions(case: Case) -> dict[str, str]:
    try:
        done = subprocess.run([str(case.python()), "-c", LIST], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}  # the case itself has said why it has no environment
    listed: dict[str, str] = json.loads(done.stdout)
    return dict(sorted(listed.items()))
