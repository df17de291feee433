"""`asyncq bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.line import Line
from asyncq.cli.commands.options import App, AsJson, Connection

__all__ = ["add_to"]


def add_to(line: Line) -> None:
    """Add the command."""
    line.add(bench, "bench")


def bench(
    *,
    connection: Connection = None,
    private: Annotated[bool, typer.Option("--private", help="A SQLite file in a temporary folder instead.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="So many.")] = 5000,
    concurrency: Annotated[int, typer.Option(min=1, help="Jobs at once.")] = 50,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Measure how many jobs a second go through a connection.

    They have a queue of their own, and are run here, by one worker.
    """
    from asyncq.cli.benching import bench

    code = bench(app, connection, private=private, jobs=jobs, concurrency=concurrency, as_json=as_json)
    raise typer.Exit(code)
