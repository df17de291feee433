"""What every test may use: the choice of backends, with the servers they need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.servers import in_ci
from tests.support.shared import Shared

# The suite of the drivers is imported by modules below `tests/contract`: its asserts shall speak, too.
pytest.register_assert_rewrite("asyncq.testing.conformance")

DEFAULT_BACKENDS = "memory,sqlite,redis-acl,postgres-role"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backends",
        default=DEFAULT_BACKENDS,
        metavar="NAMES",
        help=f"comma list of backends that contract and behaviour tests run on (default: {DEFAULT_BACKENDS})",
    )
    parser.addoption("--slow", action="store_true", help="run tests marked as slow too, as CI does")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes many seconds; run with --slow and in CI only")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is slow, unless it is asked for."""
    if config.getoption("--slow") or in_ci():
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="slow; run with --slow"))


@pytest.fixture(scope="session")
def backends(pytestconfig: pytest.Config) -> tuple[str, ...]:
    """The names given with `--backends`."""
    names = str(pytestconfig.getoption("--backends"))
    return tuple(name.strip() for name in names.split(",") if name.strip())


@pytest.fixture(scope="session")
def servers() -> Iterator[Shared]:
    """The servers of this test process; each starts when the first test asks for it."""
    with Shared() as shared:
        yield shared
