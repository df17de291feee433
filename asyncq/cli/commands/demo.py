"""`asyncq demo`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["add_to"]


def add_to(line: typer.Typer) -> None:
    """Add the command."""
    line.command("demo")(show_demo)


def show_demo(
    *,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER…", exists=True, file_okay=False, help="By default Python's standard library."),
    ] = None,
) -> None:
    """Show a queue at work on folders of Python files, in a fresh project below .asyncq."""
    code: int = import_module("asyncq.cli.demo").demo(folders or ())
    raise typer.Exit(code)
