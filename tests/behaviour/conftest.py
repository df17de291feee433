"""A fresh app and its backend for each test of what a user can see."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncq import AsyncQ
from tests.contract.backends import backend_on, params_of, problem_of
from tests.support.apps import no_other_app
from tests.support.shared import Shared

__all__ = ["no_other_app"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that takes a `url`, or an `app`, on all backends."""
    if "url" in metafunc.fixturenames:
        names = params_of(str(metafunc.config.getoption("--backends")))
        metafunc.parametrize("url", names, indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path, servers: Shared) -> str:
    """The URL of an empty store of the backend whose turn it is."""
    name: str = request.param
    if problem := problem_of(name):
        pytest.fail(problem, pytrace=False)
    return backend_on(servers, name, tmp_path).url


@pytest.fixture
def app(url: str, no_other_app: None) -> AsyncQ:
    """An app on an empty store; it is not open."""
    return AsyncQ(url)
