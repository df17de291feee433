"""`asyncq failed`, `show`, `retry`, `forget`, `flush` and `prune-failed`: what becomes of jobs that failed."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson, Force, finite

__all__ = ["add_to"]

Name = Annotated[str | None, typer.Option(help="Only jobs of one name, or of its last part where that is clear.")]


def add_to(line: Line) -> None:
    """Add the commands."""
    line.add(failed, "failed")
    line.add(show, "show")
    line.add(retry, "retry")
    line.add(forget, "forget")
    line.add(flush, "flush")
    line.add(prune_failed, "prune-failed")


def failed(
    *,
    queue: Annotated[str | None, typer.Option(help="Only those of one queue.")] = None,
    name: Name = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that failed for good, newest first."""
    from asyncq.cli.listing import show_failed

    show_failed(app, queue, name, limit, as_json=as_json)


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
    name: Annotated[
        str | None, typer.Option(help="All failed jobs of one name, or of its last part where that is clear.")
    ] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Give failed jobs back to their queues.

    They keep their ids, and have no attempts behind them.
    """
    from asyncq.cli.repeating import retry_failed

    raise typer.Exit(retry_failed(app, ids or (), queue, name, as_json=as_json))


def forget(
    *,
    ids: Annotated[list[str], typer.Argument(metavar="ID…", help="Failed jobs.")],
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Forget failed jobs."""
    from asyncq.cli.forgetting import forget_failed

    raise typer.Exit(forget_failed(app, ids, as_json=as_json))


def flush(
    *,
    hours: Annotated[
        float, typer.Option(min=0, callback=finite, help="Only those that failed more than so many hours ago.")
    ] = 0.0,
    force: Force = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Forget all failed jobs."""
    from asyncq.cli.forgetting import flush_failed

    raise typer.Exit(flush_failed(app, hours, force=force, as_json=as_json))


def prune_failed(
    *,
    hours: Annotated[float, typer.Option(min=0, callback=finite, help="So long they are kept.")] = 24.0,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Forget the jobs that failed a while ago; made for a timer."""
    from asyncq.cli.forgetting import prune_failed

    prune_failed(app, hours, as_json=as_json)
