"""The project speaks of itself alone: no paths of the machine it was written on, no address of a package index."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.root import ROOT

# Each is written in two parts, so that this file does not find itself.
FOLDERS = ("/wo" + "rk/", "/ro" + "ot/", "/opt/py" + "pi")
HOSTS = ("py" + "pi.org", "python" + "hosted.org", "registry." + "npmjs.org")
FORBIDDEN = re.compile(
    # A folder only where a path starts: `src/work/x` is somebody's own.
    r"(?<![\w./~-])(?:" + "|".join(map(re.escape, FOLDERS)) + r")|" + "|".join(map(re.escape, HOSTS))
)


def findings(text: str) -> list[str]:
    """The lines that hold a forbidden word, with their numbers."""
    return [f"{number}: {line.strip()}" for number, line in enumerate(text.splitlines(), 1) if FORBIDDEN.search(line)]


def project_files() -> list[Path]:
    """What git tracks or would track."""
    # A checkout that belongs to another user is not refused: git only lists names here.
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_machine_or_a_package_index() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nobody knows which files belong to the project")
    files = project_files()
    assert files
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in files
        for line in findings(path.read_text(encoding="utf-8", errors="replace"))
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("word", [*FOLDERS, *HOSTS])
def test_a_forbidden_word_is_found(word: str) -> None:
    assert findings(f"first\nsee {word}x") == [f"2: see {word}x"]
    assert findings(f'"{word}x"')


def test_a_longer_path_is_nobody_s_machine() -> None:
    assert not findings("src" + FOLDERS[0] + "jobs.py")
