"""The data directory that each new server begins with."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.root import ROOT
from tests.support.unprivileged import give_away, unprivileged

__all__ = ["SUPERUSER", "new_data"]

SUPERUSER = "postgres"
_OPTIONS = [f"--username={SUPERUSER}", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]


def new_data(binaries: Path, data: Path) -> None:
    """Make an empty data directory: a copy of one that `initdb` made once, which is four times quicker."""
    shutil.copytree(_template(binaries), data)
    data.chmod(0o700)  # the server insists on it
    give_away(data)


def _template(binaries: Path) -> Path:
    """Find the template of these very programs, or make it; processes that make it at once do not meet."""
    program = (binaries / "initdb").stat()
    shelf = ROOT / ".servers" / "postgres"
    # Another build has another size or another time; what a system has updated in place is not taken for the old one.
    template = shelf / f"{program.st_size}-{program.st_mtime_ns}"
    if not template.exists():
        shelf.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="aq-", dir=shelf) as scratch:
            give_away(Path(scratch))
            _initdb(binaries, Path(scratch) / "data")
            _put(Path(scratch) / "data", template)
    return template


def _initdb(binaries: Path, data: Path) -> None:
    command = unprivileged([str(binaries / "initdb"), "-D", str(data), *_OPTIONS])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"initdb failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")


def _put(data: Path, template: Path) -> None:
    try:
        data.rename(template)
    except OSError:
        if not template.exists():
            raise  # else another process was quicker: its template is as good
