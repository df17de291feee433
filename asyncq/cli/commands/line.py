"""The command line while it is made: only a command that will be called gets its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import typer

__all__ = ["Line"]


class Line:
    """Takes the commands.

    Reading the options of all of them would double the time until the help is there, which needs their names and first
    lines alone. A shell that completes a word calls without arguments, and gets all.
    """

    def __init__(self, app: typer.Typer, wanted: str | None) -> None:
        self._app = app
        self._wanted = wanted

    def add(self, call: Callable[..., None], name: str, *, help: str | None = None, hidden: bool = False) -> None:
        """Add a command; its help is the docstring, unless another one is given."""
        made = self._app.command(name, help=help or inspect.getdoc(call), hidden=hidden)
        made(call if self._wanted in {name, None} else _stand_in)


def _stand_in() -> None:
    """Stand for a command that is not the one that was called."""
