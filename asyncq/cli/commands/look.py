"""`asyncq about`, `doctor` and `health`: how things stand."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.options import App, AsJson

__all__ = ["add_to"]


def add_to(line: typer.Typer) -> None:
    """Add the commands."""
    line.command()(about)
    line.command()(doctor)
    line.command()(health)


def about(*, app: App = None, as_json: AsJson = False) -> None:
    """Explain what was found, where, and which setting came from where."""
    from asyncq.cli.explaining import explain

    explain(app, as_json=as_json)


def doctor(*, app: App = None, as_json: AsJson = False) -> None:
    """Look at everything that a queue needs; code 1 where something is a problem."""
    from asyncq.cli.doctor import examine

    raise typer.Exit(examine(app, as_json=as_json))


def health(
    *,
    name: Annotated[str | None, typer.Option(help="Name of a worker, as in `work --name`.")] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the workers are well: code 0 or 1."""
    from asyncq.cli.heartbeats import check_health

    raise typer.Exit(check_health(app, name, as_json=as_json))
