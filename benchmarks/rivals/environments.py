"""Each rival in a virtual environment of its own, below `benchmarks/.environments`: none of their needs meets ours."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["PLACE", "python_with"]

PLACE = Path(__file__).resolve().parents[1] / ".environments"


def python_with(*packages: str) -> Path:
    """Return a Python that has the packages; makes the environment at the first use."""
    first = packages[0].split("==")[0].split("[")[0]
    folder = PLACE / f"{first}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    python = folder / "bin" / "python"
    # Without this mark an installation that broke off would pass for a complete one.
    ready = folder / "ready"
    if not ready.exists():
        venv.create(folder, with_pip=not _has_uv(), clear=True)
        subprocess.run([*_installer(python), *packages], check=True, capture_output=True, text=True, env=_compiled())
        ready.touch()
    return python


def _has_uv() -> bool:
    return subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode == 0


def _installer(python: Path) -> list[str]:
    if _has_uv():
        return [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _compiled() -> dict[str, str]:
    return {**os.environ, "UV_COMPILE_BYTECODE": "1"}
