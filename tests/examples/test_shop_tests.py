"""The tests of the example are what the guide says: many, and quick."""

from __future__ import annotations

import re
from pathlib import Path

from tests.examples.projects import copy_example

LIMIT = 15.0
"""Seconds, for a machine that does much else; alone they take less than one."""


def test_the_tests_of_the_shop_pass_quickly(tmp_path: Path) -> None:
    project = copy_example("shop_tests", tmp_path / "a shop")
    answer = project.run("-m", "pytest", "-q", "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
    found = re.search(r"^20 passed in ([\d.]+)s", answer, re.MULTILINE)
    assert found, answer
    assert float(found[1]) < LIMIT
    assert not (project.path / ".asyncq").exists()
