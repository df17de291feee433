"""`asyncq migrate` and `table`: the tables of brokers that have some."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson, connection_names

__all__ = ["add_to"]


class Step(StrEnum):
    """What to do with the tables."""

    UP = "up"
    STATUS = "status"
    SQL = "sql"


def add_to(line: Line) -> None:
    """Add the commands."""
    line.add(migrate, "migrate")
    line.add(table, "table")


def migrate(
    *,
    step: Annotated[
        Step, typer.Argument(help="up: make or update the tables; status: show their versions; sql: as `table`.")
    ] = Step.UP,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Make or update the tables of the connections that have some."""
    from asyncq.cli import migrating

    if step is Step.SQL:
        raise typer.Exit(migrating.show_script(app, None, 0, as_json=as_json))
    run = migrating.migrate_up if step is Step.UP else migrating.show_schema
    raise typer.Exit(run(app, as_json=as_json))


def table(
    *,
    connection: Annotated[
        str | None,
        typer.Argument(help="By default every connection that has tables.", autocompletion=connection_names),
    ] = None,
    since: Annotated[int, typer.Option(min=0, help="Only what changes tables of this version.")] = 0,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Write the SQL of the tables, to run it by hand."""
    from asyncq.cli.migrating import show_script

    raise typer.Exit(show_script(app, connection, since, as_json=as_json))
