"""The matrix of backends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import asyncq.drivers
from asyncq.contracts import Driver
from tests.contract.backends import Backend, backend_on, params_of, problem_of
from tests.support.redis.shared import Shared


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that reads the table of traits."""
    config.addinivalue_line("markers", "needs(*promises): skip where the backend does not make these promises")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that takes a `backend` on all of them."""
    if "backend" in metafunc.fixturenames:
        names = params_of(str(metafunc.config.getoption("--backends")))
        metafunc.parametrize("backend", names, indirect=True)


@pytest.fixture
def backend(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared) -> Backend:
    """One store of the backend whose turn it is."""
    name: str = request.param
    problem = problem_of(name)
    if problem and name == "sqlite" and not _written("sqlite"):
        pytest.skip(problem)
    if problem:
        pytest.fail(problem, pytrace=False)
    backend = backend_on(servers, name, tmp_path)
    needed = {promise for mark in request.node.iter_markers("needs") for promise in mark.args}
    if missing := needed - backend.row.promises:
        pytest.skip(f"{name} does not promise {', '.join(sorted(missing))}")
    return backend


@pytest.fixture
async def driver(backend: Backend) -> AsyncIterator[Driver]:
    """An open driver; set up and torn down in different tasks, which drivers must bear."""
    async with backend.open() as driver:
        yield driver


def _written(name: str) -> bool:
    """Whether the module of a driver exists at all."""
    return (Path(asyncq.drivers.__file__).parent / name / "__init__.py").exists()
