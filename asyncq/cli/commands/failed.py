"""`asyncq failed`, `show` and `retry`: jobs one by one."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.options import App, AsJson

__all__ = ["add_to"]


def add_to(line: typer.Typer) -> None:
    """Add the commands."""
    line.command()(failed)
    line.command()(show)
    line.command()(retry)


def failed(
    *,
    queue: Annotated[str | None, typer.Option(help="Only those of one queue.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that failed for good, newest first."""
    from asyncq.cli.listing import show_failed

    show_failed(app, queue, limit, as_json=as_json)


def show(
    *,
    id: Annotated[str, typer.Argument(help="Id of a failed or a waiting job.")],
    raw: Annotated[bool, typer.Option("--raw", help="Show the arguments as they are stored, secrets too.")] = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Show all that is known of one job."""
    from asyncq.cli.showing import show_job

    show_job(app, id, raw=raw, as_json=as_json)


def retry(
    *,
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID… | all", help="Failed jobs.")] = None,
    queue: Annotated[str | None, typer.Option(help="All failed jobs of one queue.")] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Give failed jobs back to their queues, with the same id and no attempts."""
    from asyncq.cli.repeating import retry_failed

    raise typer.Exit(retry_failed(app, ids or (), queue, as_json=as_json))
