"""Options that many commands have."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

import typer

__all__ = ["App", "AsJson", "Connection", "Force", "connection_names", "finite"]


def connection_names(incomplete: str) -> list[str]:
    """Return what a shell offers: the connections of the environment and of `pyproject.toml`, without an import."""
    from asyncq.errors import ConfigError
    from asyncq.project import read_project

    try:
        return [name for name in read_project().connections if name.startswith(incomplete)]
    except ConfigError:
        return []


App = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE[:NAME]", help="The AsyncQ object; by default the first one found."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]

Connection = Annotated[
    str | None, typer.Argument(help="A connection; by default the app's.", autocompletion=connection_names)
]
Force = Annotated[bool, typer.Option("--force", help="Do not ask.")]


def finite(value: float | None) -> float | None:
    """Refuse `inf`, which a number with a lower limit would be otherwise; `nan` has failed at the limit."""
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number")
    return value
