"""The commands as typer sees them: their options, and which function each calls."""

from __future__ import annotations

import typer

from asyncq.cli.commands import bench, control, demo, dispatch, failed, look, make, migrate, queues, work

__all__ = ["commands"]


def commands() -> typer.Typer:
    """Make the command line."""
    # rich would cost a third of the start-up time for the help alone; typed errors never need a traceback.
    line = typer.Typer(no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)
    line.callback()(_about)
    for group in (work, dispatch, queues, failed, control, look, make, migrate, bench, demo):
        group.add_to(line)
    return line


def _about() -> None:
    """Typed background jobs for asyncio: run workers, look at queues, retry what failed."""
