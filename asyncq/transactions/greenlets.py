"""Waiting inside SQLAlchemy's synchronous events."""

from __future__ import annotations

import asyncio

from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.util import await_only

__all__ = ["await_sent"]


def await_sent(task: asyncio.Task[None] | None) -> None:
    """Let the `commit()` that is under way return when everything was sent, and raise what was raised there.

    Where the event comes from code that nobody awaits, the task goes on by itself.
    """
    if task is None or task.done():
        return
    try:
        await_only(asyncio.shield(task))
    except MissingGreenlet:
        return
