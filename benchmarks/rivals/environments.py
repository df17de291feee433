"""Each rival in a virtual environment of its own, below `benchmarks/.environments`: none of their needs meets ours."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["PLACE", "folder", "python_with"]

PLACE = Path(__file__).resolve().parents[1] / ".environments"


def python_with(*packages: str, version: str = "") -> Path:
    """Return a Python that has the packages; makes the environment at the first use.

    It is of our own version, or of the one asked for, `3.12`, since not every rival runs on all of ours.

    Raises:
        OSError: there is no Python of this version.
    """
    place = folder(*packages, version=version)
    python = place / "bin" / "python"
    # Without this mark an installation that broke off would pass for a complete one.
    ready = place / "ready"
    if not ready.exists():
        _make(place, version)
        subprocess.run([*_installer(python), *packages], check=True, capture_output=True, text=True, env=_compiled())
        ready.touch()
    return python


def folder(*packages: str, version: str = "") -> Path:
    """Where the environment lies; another for each set of packages."""
    first = packages[0].split("==")[0].split("[")[0]
    return PLACE / f"{first}-{hashlib.sha256(' '.join([*packages, version]).strip().encode()).hexdigest()[:8]}"


def _make(place: Path, version: str) -> None:
    without = ["--without-pip"] if _has_uv() else []
    python = _interpreter(version) if version else sys.executable
    subprocess.run([python, "-m", "venv", "--clear", *without, str(place)], check=True, capture_output=True, text=True)


def _interpreter(version: str) -> str:
    for python in _candidates(version):
        done = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
        # A shim of pyenv is there also for versions that are not active, and then fails.
        if done.returncode == 0 and done.stdout.startswith(f"Python {version}."):
            return python
    raise OSError(f"needs Python {version}: no python{version} on PATH")


def _candidates(version: str) -> Iterator[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from map(str, sorted(root.glob(f"versions/{version}.*/bin/python")))


def _has_uv() -> bool:
    return subprocess.run([sys.executable, "-m", "uv", "--version"], capture_output=True, check=False).returncode == 0


def _installer(python: Path) -> list[str]:
    if _has_uv():
        return [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _compiled() -> dict[str, str]:
    return {**os.environ, "UV_COMPILE_BYTECODE": "1"}
