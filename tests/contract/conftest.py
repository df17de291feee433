"""The matrix of backends."""

from __future__ import annotations

from pathlib import Path

import pytest

import asyncq.drivers
from asyncq.testing.conformance import Backend
from asyncq.testing.conformance.fixtures import NEEDS, driver, only_what_is_promised
from tests.contract.backends import backend_on, params_of, problem_of
from tests.support.shared import Shared

__all__ = ["backend", "driver", "only_what_is_promised", "pytest_configure", "pytest_generate_tests"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker that reads the table of traits."""
    config.addinivalue_line("markers", NEEDS)


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
    needed = {promise for mark in request.node.iter_markers("needs") for promise in mark.args}
    return backend_on(servers, name, tmp_path, untouched="installable" in needed)


def _written(name: str) -> bool:
    """Whether the module of a driver exists at all."""
    return (Path(asyncq.drivers.__file__).parent / name / "__init__.py").exists()
