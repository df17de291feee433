"""The command line: `asyncq`, and `python -m asyncq`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from asyncq.errors import AsyncqError

__all__ = ["main", "run"]


def main() -> None:
    """Run the command that the arguments name, and exit with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code; a typed error is told on stderr, without a traceback."""
    from asyncq.cli.commands import commands

    try:
        commands(arguments)(list(arguments), prog_name="asyncq")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except AsyncqError as error:
        from asyncq.cli.failures import exit_code, tell

        tell(error)
        return exit_code(error)
    return 0
