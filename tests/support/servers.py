"""What a test does when the server that it needs cannot be had."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def in_ci() -> bool:
    """CI services set `CI=true`; empty, `0` and `false` mean no."""
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def unavailable(server: str, reason: object) -> NoReturn:
    """Skip the test here, fail it in CI: a skip that nobody reads would hide that a backend is not tested at all."""
    message = f"{server} cannot be had: {reason}"
    if in_ci():
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
