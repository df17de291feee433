"""The app that all processes of a run share."""

from __future__ import annotations

from asyncq import AsyncQ, Connection
from benchmarks.chaos.options import Options

__all__ = ["build"]


PATIENCE = 25.0
"""Seconds; a server remembers for 30 or more what it answered, so that a repeated dispatch is the same one."""


def build(options: Options, *, patient: bool = False) -> AsyncQ:
    """Return an app on the run's broker; a patient one repeats its calls for longer than a server is away."""
    url = options.url
    if patient and options.broker != "sqlite":
        url += f"{'&' if '?' in url else '?'}retry_for={PATIENCE:g}"
    connection = Connection(url, lease=options.lease)
    return AsyncQ(connection, name="chaos", jobs=["benchmarks.chaos.jobs"])
