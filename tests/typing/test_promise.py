"""The promise of the types: `use.py` passes mypy and pyright, both strict, and both find every mistake in `bad.py`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.root import ROOT

HERE = Path(__file__).parent
USE = HERE / "use.py"
BAD = HERE / "bad.py"

MARK = re.compile(r"# E\d+\b")

Complaints = dict[Path, dict[int, str]]
Checker = Callable[[], Complaints]


def mypy() -> Complaints:
    # Its own cache: a run of mypy beside this one must not disturb.
    options = ["--strict", "--output", "json", "--cache-dir", str(ROOT / ".mypy_cache" / "promise")]
    lines = _run("mypy", *options, str(USE), str(BAD)).splitlines()
    complaints = _empty()
    for found in map(json.loads, filter(None, lines)):
        if found["severity"] == "error":
            _note(complaints, found["file"], found["line"], found["message"])
    return complaints


def pyright() -> Complaints:
    report = json.loads(_run("pyright", "--project", str(HERE), "--pythonpath", sys.executable, "--outputjson"))
    assert report["summary"]["filesAnalyzed"] >= 2, report
    complaints = _empty()
    for found in report["generalDiagnostics"]:
        if found["severity"] == "error":
            _note(complaints, found["file"], found["range"]["start"]["line"] + 1, found["message"])
    return complaints


def _run(tool: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    # 1: complaints; more: the tool itself failed, which must not look like "no complaints".
    assert done.returncode in {0, 1}, f"{tool} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


def _empty() -> Complaints:
    return {USE: {}, BAD: {}}


def _note(complaints: Complaints, file: Any, line: int, message: str) -> None:
    """Complaints about other files are the business of `make types`."""
    path = (ROOT / file).resolve()
    if path in complaints:
        complaints[path].setdefault(line, message)


def promised_errors() -> set[int]:
    """The lines of bad.py that carry a mark."""
    return {number for number, line in enumerate(BAD.read_text().splitlines(), 1) if MARK.search(line)}


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_the_promise_of_the_types_holds(checker: Checker) -> None:
    complaints = checker()
    assert not complaints[USE], "a correct use is refused"
    found = complaints[BAD]
    promised = promised_errors()
    assert promised, "bad.py has no marks"
    missing = sorted(promised - set(found))
    assert not missing, "mistakes in these lines of bad.py are not found"
    unexpected = {line: message for line, message in found.items() if line not in promised}
    assert not unexpected, "complaints about lines without a mark"
