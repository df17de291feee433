"""A rival that needs another Python gets it, or says that there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rivals import environments


def _put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in which programs are found."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(environments, "PLACE", tmp_path / "environments")
    return tmp_path


def test_a_version_that_is_nowhere_is_named(path: Path) -> None:
    with pytest.raises(OSError, match=r"needs Python 3\.99: no python3\.99 on PATH"):
        environments.python_with("anything==1", version="3.99")


def test_a_shim_that_does_not_run_its_version_is_passed_over(path: Path) -> None:
    _put(path, "python3.99", "exit 127")
    with pytest.raises(OSError, match=r"needs Python 3\.99"):
        environments.python_with("anything==1", version="3.99")


def test_each_set_of_packages_has_an_environment_of_its_own(path: Path) -> None:
    folders = [environments.folder("a==1"), environments.folder("a==2"), environments.folder("a==1", version="3.99")]
    assert len(set(folders)) == 3


def test_an_environment_that_is_ready_is_not_made_again(path: Path) -> None:
    place = environments.folder("a==1", version="3.99")
    place.mkdir(parents=True)
    (place / "ready").touch()
    assert environments.python_with("a==1", version="3.99") == place / "bin" / "python"
