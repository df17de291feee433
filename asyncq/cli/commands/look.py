"""`asyncq about`, `doctor` and `health`: how things stand."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson

__all__ = ["add_to"]


def add_to(line: Line) -> None:
    """Add the commands."""
    line.add(about, "about")
    line.add(doctor, "doctor")
    line.add(health, "health")


def about(*, app: App = None, as_json: AsJson = False) -> None:
    """Explain what was found, and which setting is from where."""
    from asyncq.cli.explaining import explain

    explain(app, as_json=as_json)


def doctor(*, app: App = None, as_json: AsJson = False) -> None:
    """Look at all that a queue needs; code 1 at a problem."""
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
