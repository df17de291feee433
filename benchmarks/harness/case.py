"""One process of a round."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.outcome import Figures, Outcome
from benchmarks.harness.speed import speed
from benchmarks.rivals.environments import PLACE, python_with

__all__ = ["Case"]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 600.0


@dataclass(frozen=True, slots=True)
class Case:
    """A module that is run with arguments and prints one JSON object.

    With packages it runs in an environment that has them, on our own version of Python or the one it needs, without in
    the project's own. `once`: in the first round only, since it takes long.
    """

    contender: str
    workload: str
    module: str
    arguments: tuple[str, ...]
    packages: tuple[str, ...] = ()
    once: bool = False
    version: str = ""

    def run(self) -> Outcome:
        """Return what it measured; a case that fails does not end the run."""
        now = speed()
        try:
            return Outcome(self.contender, self.workload, self._figures(), speed=now)
        except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
            return Outcome(self.contender, self.workload, {}, failure=_reason(error), speed=now)

    def python(self) -> Path:
        """Return the interpreter that has the packages."""
        return python_with(*self.packages, version=self.version) if self.packages else Path(sys.executable)

    def _figures(self) -> Figures:
        command = [str(self.python()), "-m", self.module, *self.arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=_with_bytecode(), capture_output=True, text=True, check=True, timeout=PATIENCE
        )
        figures: Figures = json.loads(done.stdout.splitlines()[-1])
        return figures


def _with_bytecode() -> dict[str, str]:
    """Let Python keep compiled modules, even on a machine that forbids it.

    A process that must compile what it imports has a third more memory for good, and not all environments were compiled
    when they were made. The first round compiles; the median of the rounds does not show it.
    """
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(PLACE / "bytecode")}


def _reason(error: Exception) -> str:
    """The last line that the process wrote, which names the exception; a group of them is framed by a tree."""
    said = error.stderr if isinstance(error, subprocess.CalledProcessError) else ""
    lines = [line.strip(" |+-") for line in (said or str(error)).splitlines()]
    return next((line for line in reversed(lines) if line), type(error).__name__)[:200]
