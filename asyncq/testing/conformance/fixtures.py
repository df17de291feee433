"""The fixtures of the suite; a `backend` is what whoever runs it gives."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from asyncq.contracts import Driver
from asyncq.testing.conformance.backend import Backend

__all__ = ["NEEDS", "driver", "only_what_is_promised"]

NEEDS = "needs(*promises): skip where the driver does not make these promises"


@pytest.fixture(autouse=True)
def only_what_is_promised(request: pytest.FixtureRequest) -> None:
    """Skip a test that needs an optional promise which the driver does not make."""
    needed = {promise for mark in request.node.iter_markers("needs") for promise in mark.args}
    if not needed:
        return
    backend: Backend = request.getfixturevalue("backend")
    if missing := needed - backend.promises:
        pytest.skip(f"{backend.name} does not promise {', '.join(sorted(missing))}")


@pytest.fixture
async def driver(backend: Backend) -> AsyncIterator[Driver]:
    """An open driver; set up and torn down in different tasks, which drivers must bear."""
    async with backend.open() as driver:
        yield driver
