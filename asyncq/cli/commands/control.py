"""`asyncq restart`, `pause` and `resume`: what running workers are told."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson, finite

__all__ = ["add_to"]

Queue = Annotated[str | None, typer.Argument(metavar="[CONNECTION:]QUEUE")]


def add_to(line: Line) -> None:
    """Add the commands."""
    line.add(restart, "restart")
    line.add(pause, "pause")
    line.add(resume, "resume")
    line.add(resume, "continue", hidden=True)  # another name, which some are used to


def restart(*, app: App = None, as_json: AsJson = False) -> None:
    """Let all workers end after the jobs that they run.

    What supervises them starts new ones, with new code.
    """
    from asyncq.cli import steering

    steering.restart(app, as_json=as_json)


def pause(
    *,
    queue: Queue = None,
    everything: Annotated[bool, typer.Option("--all", help="Every queue.")] = False,
    seconds: Annotated[
        float | None, typer.Option("--for", min=0.001, callback=finite, metavar="SECONDS", help="Only so long.")
    ] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Let workers take no more jobs of a queue."""
    from asyncq.cli import steering

    steering.pause(app, queue, everything=everything, seconds=seconds, as_json=as_json)


def resume(
    *,
    queue: Queue = None,
    everything: Annotated[bool, typer.Option("--all", help="Lift the pause of all queues.")] = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Let workers take jobs of a queue again."""
    from asyncq.cli import steering

    steering.resume(app, queue, everything=everything, as_json=as_json)
