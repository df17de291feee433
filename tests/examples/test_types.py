"""The examples type-check as strictly as asyncq itself does: what people copy is what they see first of the types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.projects import EXAMPLES
from tests.support.root import ROOT

FOLDERS = sorted(path.parent for path in EXAMPLES.glob("*/jobs.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_an_example_passes_mypy_strict(folder: Path) -> None:
    # A cache of its own for each: all have a module `jobs`.
    cache = ROOT / ".mypy_cache" / "examples" / folder.name
    command = [sys.executable, "-m", "mypy", "--config-file", "", "--strict", "--cache-dir", str(cache), "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
