"""`asyncq make`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson

__all__ = ["add_to"]


class Kind(StrEnum):
    """What to make."""

    JOB = "job"
    MIDDLEWARE = "middleware"
    TEST = "test"


def add_to(line: Line) -> None:
    """Add the command."""
    line.add(make, "make")


def make(
    *,
    kind: Annotated[Kind | None, typer.Argument(metavar="job|middleware|test", help="What to make.")] = None,
    name: Annotated[str | None, typer.Argument(help="Its name: SendMail. For a test, that of the job.")] = None,
    sync: Annotated[bool, typer.Option("--sync", help="A job with a plain `def handle`, run in a thread.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    publish: Annotated[bool, typer.Option("--publish", help="Copy the templates into the project instead.")] = False,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Write a job, a middleware or a test of the project.

    A job is written where a worker finds it.
    """
    from asyncq.cli import making

    if publish and name is None:
        raise typer.Exit(making.publish_templates(kind, force=force, as_json=as_json))
    if publish:
        raise typer.BadParameter("--publish copies templates, and makes nothing of a name")
    if kind is None or name is None:
        raise typer.BadParameter("say what to make, and how it is called: asyncq make job SendMail")
    if sync and kind is not Kind.JOB:
        raise typer.BadParameter("--sync is for jobs")
    raise typer.Exit(making.make(app, kind, name, sync=sync, force=force, as_json=as_json))
