"""One project for a module's tests."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.cli.projects import JOBS, Project, project_with


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Generator[Project]:
    with project_with(tmp_path_factory.mktemp("project"), jobs=JOBS) as project:
        yield project


@pytest.fixture
def project(shared: Project) -> Generator[Project]:
    """Give the module's project without jobs and history."""
    shared.forget()
    yield shared
    shared.close()
