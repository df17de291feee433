"""Fixtures for pytest, which finds this module by itself.

They are plain fixtures, so that they work under pytest-asyncio in both of its modes, under anyio's plugin, and in tests
without a loop. What they need is imported when a test asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from asyncq.app import AsyncQ
    from asyncq.testing.queue_fake import QueueFake
    from asyncq.testing.turnable_clock import TurnableClock

__all__ = ["asyncq_app", "asyncq_clock", "asyncq_fake"]


@pytest.fixture
def asyncq_fake() -> Iterator[QueueFake]:
    """A fake queue that takes the place of every app: `asyncq.fake()` around the test."""
    from asyncq.testing import fake

    with fake() as queue:
        yield queue


@pytest.fixture
def asyncq_app() -> Iterator[AsyncQ]:
    """An app that keeps its jobs in memory, found by every dispatch; it has the connections of the project by name.

    `await asyncq.testing.drain(asyncq_app)` runs its jobs, or `async with asyncq_app.worker(): …`.
    """
    from asyncq.testing.memory_app import memory_app

    with memory_app() as app:
        yield app


@pytest.fixture
def asyncq_clock() -> Iterator[TurnableClock]:
    """The clock of the test, for `asyncq_app`, `asyncq_fake` and its own apps: `asyncq.testing.clock()` around it."""
    from asyncq.testing import clock

    with clock() as time:
        yield time
