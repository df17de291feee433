"""Where a new file of a project belongs, so that a worker finds it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from asyncq.cli.failures import UsageError
from asyncq.discovery import Found

__all__ = ["Target", "job_target", "middleware_target", "test_target"]

_NO_CODE: Final = {"build", "dist", "docs", "migrations", "site", "src", "venv"}


@dataclass(frozen=True, slots=True)
class Target:
    """A file to write."""

    path: Path
    joins: bool = False
    """True for a module that is there, and gets what is new at its end."""


def job_target(found: Found, name: str) -> Target:
    """Return where discovery will find a job: beside the first job module that it has found, else in `jobs/`.

    Raises:
        UsageError: it would find no job of this name there.
    """
    home = _home(found)
    if home.suffix == ".py":
        return Target(home, joins=True)
    if name.startswith("test"):
        raise UsageError(f"{home.name}/{name}.py would be taken for a test, and not be read; choose another name")
    return Target(home / f"{name}.py")


def middleware_target(found: Found, name: str) -> Target:
    """Return the place for a middleware: `middleware.py` or `middleware/` beside the jobs."""
    base = _home(found).parent
    if (base / "middleware.py").is_file():
        return Target(base / "middleware.py", joins=True)
    return Target(base / "middleware" / f"{name}.py")


def test_target(found: Found, name: str) -> Target:
    """Return the place for a test."""
    root = found.project.root
    folder = root / "test" if (root / "test").is_dir() and not (root / "tests").is_dir() else root / "tests"
    return Target(folder / f"test_{name}.py")


def _home(found: Found) -> Path:
    """Return the folder of the job modules, or the one module that has all jobs."""
    return next(_homes(found), None) or _new_home(found)


def _homes(found: Found) -> Iterator[Path]:
    for name in found.jobs:
        module = sys.modules[name]
        path = Path(getattr(module, "__file__", None) or next(iter(module.__path__)))
        if not path.is_relative_to(found.project.root) or "site-packages" in path.parts:
            continue
        is_one_of_many = path.name == "__init__.py" or path.parent.name == "jobs"
        yield path.parent if is_one_of_many else path


def _new_home(found: Found) -> Path:
    root = found.project.root
    base = root / "src" if (root / "src").is_dir() else root
    packages = [child for child in sorted(base.iterdir()) if _is_package(child)]
    base = packages[0] if len(packages) == 1 and packages[0].name != "jobs" else root
    module = base / "jobs.py"
    if not module.is_file():
        return base / "jobs"
    for note in found.notes:
        if note.startswith(f"{module.relative_to(root)} "):
            raise UsageError(f"{note}; then `asyncq make` can add a job to it")
    return module


def _is_package(folder: Path) -> bool:
    return (
        (folder / "__init__.py").is_file()
        and folder.name not in _NO_CODE
        and not folder.name.startswith((".", "test", "_"))
    )
