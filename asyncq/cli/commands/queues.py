"""`asyncq size`, `monitor`, `jobs` and `clear`: what the queues hold."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson, Connection, Force, finite

__all__ = ["add_to"]

Queues = Annotated[list[str] | None, typer.Argument(metavar="[CONNECTION:]QUEUE…", help="By default all.")]


class State(StrEnum):
    """Where a stored job stands."""

    READY = "ready"
    DELAYED = "delayed"
    RESERVED = "reserved"


def add_to(line: Line) -> None:
    """Add the commands."""
    line.add(size, "size")
    line.add(monitor, "monitor")
    line.add(jobs, "jobs")
    line.add(clear, "clear")


def size(*, queues: Queues = None, app: App = None, as_json: AsJson = False) -> None:
    """Show how many jobs the queues hold."""
    from asyncq.cli.listing import show_sizes

    show_sizes(app, queues or (), as_json=as_json)


def monitor(
    *,
    queues: Queues = None,
    most: Annotated[int, typer.Option("--max", min=1, help="So many jobs are too many.")] = 1000,
    every: Annotated[
        float | None,
        typer.Option("--watch", min=0.1, callback=finite, metavar="SECONDS", help="Look again, until Ctrl-C."),
    ] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Show the sizes; code 1 where a queue holds too many jobs.

    An app's listeners of QueueBusy hear of each such queue.
    """
    from asyncq.cli.monitoring import monitor

    raise typer.Exit(monitor(app, queues or (), most, every=every, as_json=as_json))


def jobs(
    *,
    queue: Annotated[list[str] | None, typer.Option(metavar="[CONNECTION:]QUEUE,…", help="By default all.")] = None,
    state: Annotated[State | None, typer.Option(help="Only those that are so.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    offset: Annotated[int, typer.Option(min=0, help="Pass over so many.")] = 0,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """List the jobs that run or wait, in the order of their turn."""
    from asyncq.cli.paging import show_jobs

    show_jobs(app, queue or (), state, limit=limit, offset=offset, as_json=as_json)


def clear(
    *,
    connection: Connection = None,
    queue: Annotated[
        list[str] | None, typer.Option(metavar="QUEUE,…", help="By default the connection's default queue.")
    ] = None,
    force: Force = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Forget all jobs of a queue, running ones too."""
    from asyncq.cli.clearing import clear_queues

    raise typer.Exit(clear_queues(app, connection, queue or (), force=force, as_json=as_json))
