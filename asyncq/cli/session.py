"""From `--app` to an open engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from asyncq.discovery import Found, discover
from asyncq.wiring import Engine

__all__ = ["in_engine", "with_engine"]

T = TypeVar("T")


def with_engine(asked: str | None, call: Callable[[Engine], Awaitable[T]], *, jobs: bool = False) -> T:
    """Find the app, open it, and return what `call` makes of its engine.

    `jobs` imports the modules of the jobs too: only for what has to know them, so that a mistake in one of them does
    not keep anybody from looking at the queues.
    """
    return in_engine(discover(asked, jobs=jobs), call)


def in_engine(found: Found, call: Callable[[Engine], Awaitable[T]]) -> T:
    """Open an app that was found already, as often as one likes: a question to a person is no business of a loop."""
    return asyncio.run(_open(found, call))


async def _open(found: Found, call: Callable[[Engine], Awaitable[T]]) -> T:
    async with found.app:
        return await call(await found.app.engine())
