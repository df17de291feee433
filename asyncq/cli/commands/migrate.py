"""`asyncq migrate`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from asyncq.cli.commands.options import App, AsJson

__all__ = ["add_to"]


class Step(StrEnum):
    """What to do with the tables."""

    UP = "up"
    STATUS = "status"


def add_to(line: typer.Typer) -> None:
    """Add the command."""
    line.command()(migrate)


def migrate(
    *,
    step: Annotated[Step, typer.Argument(help="up: make or update the tables; status: show their versions.")] = Step.UP,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Make or update the tables of the connections that have some."""
    from asyncq.cli import migrating

    run = migrating.migrate_up if step is Step.UP else migrating.show_schema
    raise typer.Exit(run(app, as_json=as_json))
