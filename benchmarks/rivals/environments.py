"""Each rival in a virtual environment of its own, under `.venv/rivals`: none of their needs meets ours."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["python_with"]

PLACE = Path(sys.prefix) / "rivals"


def python_with(*packages: str) -> Path:
    """Return a Python that has the packages; makes the environment at the first use."""
    folder = PLACE / "-".join(packages).replace("==", "-")
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python
