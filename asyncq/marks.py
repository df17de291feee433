"""Names of the signals by which a running job is cancelled."""

from __future__ import annotations

from typing import Final

__all__ = ["CANCEL_LIFE", "cancel_name", "cancel_prefix", "cancels_name"]

CANCEL_LIFE: Final = 900.0
"""Seconds for which a wish to cancel a job holds; a worker that dies meanwhile must not undo it."""


def cancels_name(connection: str) -> str:
    """Return the signal that changes with each wish, so that workers need to look at one."""
    return f"cancels:{connection}"


def cancel_prefix(connection: str) -> str:
    """Return how the names of all wishes begin."""
    return f"cancel:{connection}:"


def cancel_name(connection: str, id: str) -> str:
    """Return the signal that holds the wish to cancel one job."""
    return cancel_prefix(connection) + id
