"""The app that all processes of a run share."""

from __future__ import annotations

from asyncq import AsyncQ, Connection
from benchmarks.chaos.options import Options

__all__ = ["build"]


def build(options: Options) -> AsyncQ:
    """Return an app on the run's broker."""
    return AsyncQ(Connection(options.url, lease=options.lease), name="chaos", jobs=["benchmarks.chaos.jobs"])
