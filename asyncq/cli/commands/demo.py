"""`asyncq demo`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from asyncq.cli.commands.line import Line

__all__ = ["add_to"]


def add_to(line: Line) -> None:
    """Add the command."""
    line.add(show_demo, "demo")


def show_demo(
    *,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER…", exists=True, file_okay=False, help="By default Python's standard library."),
    ] = None,
) -> None:
    """Show a queue at work, on folders of Python files.

    It has a fresh project below .asyncq.
    """
    code: int = import_module("asyncq.cli.demo").demo(folders or ())
    raise typer.Exit(code)
