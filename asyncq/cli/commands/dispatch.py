"""`asyncq dispatch`."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson, finite

__all__ = ["add_to"]


def add_to(line: Line) -> None:
    """Add the command."""
    line.add(dispatch, "dispatch")


def dispatch(
    *,
    name: Annotated[str, typer.Argument(help="Name of the job, or its last part where that is clear.")],
    arguments: Annotated[str, typer.Argument(metavar="JSON", help="The arguments as a JSON object.")] = "{}",
    queue: Annotated[str | None, typer.Option(help="Another queue than the job's.")] = None,
    delay: Annotated[float | None, typer.Option(min=0, callback=finite, help="Seconds until it is due.")] = None,
    connection: Annotated[str | None, typer.Option(help="Another connection than the job's.")] = None,
    id: Annotated[str | None, typer.Option(help="An id of your own; dispatched twice it is one job.")] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Dispatch a job by its name, and write its id."""
    from asyncq.cli.sending import send

    send(app, name, arguments, queue=queue, delay=delay, connection=connection, id=id, as_json=as_json)
