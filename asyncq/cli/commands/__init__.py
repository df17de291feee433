"""The commands as typer sees them: their options, and which function each calls."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from asyncq.cli.commands import bench, control, demo, dispatch, failed, look, make, migrate, queues, work
from asyncq.cli.commands.line import Line

__all__ = ["commands"]


def commands(arguments: Sequence[str] = ()) -> typer.Typer:
    """Make the command line, with the options of the command that the arguments begin with; without any, of all."""
    # rich would cost a third of the start-up time for the help alone; typed errors never need a traceback.
    app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(_about)
    line = Line(app, arguments[0] if arguments else None)
    for group in (work, dispatch, queues, failed, control, look, make, migrate, bench, demo):
        group.add_to(line)
    return app


def _about() -> None:
    """Typed background jobs for asyncio: run workers, look at queues, retry what failed."""
