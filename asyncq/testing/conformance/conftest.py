"""What pytest needs to run the suite where it lies: `pytest --pyargs asyncq.testing.conformance`."""

from __future__ import annotations

import pytest

from asyncq.testing.conformance.fixtures import NEEDS, driver, only_what_is_promised

__all__ = ["driver", "only_what_is_promised", "pytest_configure"]


def pytest_configure(config: pytest.Config) -> None:
    """Make the suite's marker known, and see that its async tests can run."""
    config.addinivalue_line("markers", NEEDS)
    if not config.pluginmanager.hasplugin("asyncio"):
        raise pytest.UsageError("the conformance suite is run by pytest-asyncio: pip install pytest-asyncio")
    mode = config.getoption("asyncio_mode") or config.getini("asyncio_mode")
    if mode != "auto":
        raise pytest.UsageError(f"the conformance suite needs asyncio_mode=auto, not {mode}; add -o asyncio_mode=auto")
