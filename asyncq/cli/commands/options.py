"""Options that many commands have."""

from __future__ import annotations

from math import isfinite
from typing import Annotated

import typer

__all__ = ["App", "AsJson", "Force", "finite"]

App = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE[:NAME]", help="The AsyncQ object; by default the first one found."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]

Force = Annotated[bool, typer.Option("--force", help="Do not ask.")]


def finite(value: float | None) -> float | None:
    """Refuse `inf`, which a number with a lower limit would be otherwise; `nan` has failed at the limit."""
    if value is not None and not isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number")
    return value
