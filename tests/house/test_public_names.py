"""What `from asyncq import …` offers, and what that costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import asyncq
from tests.support.root import ROOT

NAMES = Path(__file__).with_name("public_names.txt")

PUBLIC: list[str] = getattr(asyncq, "__all__", [])

# `import asyncq` is in every web process. What only some need is loaded when it is needed: the command line, clients of
# servers, pydantic (150 ms) at the first dispatch, sqlite3 when a URL asks for it. anyio may be loaded: its types are
# in ours.
LATE = {"aioboto3", "asyncpg", "botocore", "fastapi", "pydantic", "redis", "rich", "sqlite3", "starlette", "typer"}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh Python has loaded after the statement."""
    program = f"{statement}\nimport sys\nprint(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


def test_the_public_names_are_the_listed_ones() -> None:
    listed = NAMES.read_text().split()
    assert listed == sorted(listed), f"{NAMES.name} is not sorted"
    assert sorted(PUBLIC) == listed, f"a public name came or went: change {NAMES.name} and CHANGELOG.md"


def test_every_public_name_exists() -> None:
    missing = [name for name in PUBLIC if not hasattr(asyncq, name)]
    assert not missing


def test_importing_asyncq_is_light() -> None:
    loaded_too_early = sorted(loaded_by("import asyncq") & LATE)
    assert not loaded_too_early


@pytest.mark.parametrize("module", ["sqlite3", "pydantic"])
def test_a_heavy_import_would_be_seen(module: str) -> None:
    assert module in loaded_by(f"import {module}")
