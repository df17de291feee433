"""`asyncq size`."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.options import App, AsJson

__all__ = ["add_to"]


def add_to(line: typer.Typer) -> None:
    """Add the command."""
    line.command()(size)


def size(
    *,
    queues: Annotated[list[str] | None, typer.Argument(metavar="[CONNECTION:]QUEUE…", help="By default all.")] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Show how many jobs the queues hold."""
    from asyncq.cli.listing import show_sizes

    show_sizes(app, queues or (), as_json=as_json)
