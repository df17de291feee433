"""`asyncq bench`."""

from __future__ import annotations

from typing import Annotated

import typer

from asyncq.cli.commands.options import App, AsJson

__all__ = ["add_to"]


def add_to(line: typer.Typer) -> None:
    """Add the command."""
    line.command()(bench)


def bench(
    *,
    connection: Annotated[str | None, typer.Argument(help="A connection; by default the app's.")] = None,
    private: Annotated[bool, typer.Option("--private", help="A SQLite file in a temporary folder instead.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="So many.")] = 5000,
    concurrency: Annotated[int, typer.Option(min=1, help="Jobs at once.")] = 50,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Measure how many jobs a second a connection takes and a worker here runs, in a queue of its own."""
    from asyncq.cli.benching import bench

    code = bench(app, connection, private=private, jobs=jobs, concurrency=concurrency, as_json=as_json)
    raise typer.Exit(code)
