"""What every test may use: the choice of backends."""

from __future__ import annotations

import pytest

DEFAULT_BACKENDS = "memory,sqlite"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backends",
        default=DEFAULT_BACKENDS,
        metavar="NAMES",
        help=f"comma list of backends that contract and behaviour tests run on (default: {DEFAULT_BACKENDS})",
    )


@pytest.fixture(scope="session")
def backends(pytestconfig: pytest.Config) -> tuple[str, ...]:
    """The names given with `--backends`."""
    names = str(pytestconfig.getoption("--backends"))
    return tuple(name.strip() for name in names.split(",") if name.strip())
