"""A process dies at every step of a transaction with jobs: nothing is lost, and nothing is had twice."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.root import ROOT
from tests.support.shared import Shared

STEPS = ["taken", "before the push", "pushed", "before done", "done"]


class Shop:
    """A database, a broker elsewhere, and the processes that use both."""

    def __init__(self, directory: Path, broker: str) -> None:
        self.database, self.log, self.broker = directory / "shop.db", directory / "log", broker
        with sqlite3.connect(self.database) as connection:
            connection.execute("CREATE TABLE users (name TEXT)")

    def run(self, role: str, step: str) -> int:
        """Run a process to its end and return how it ended."""
        command = [sys.executable, "-m", "tests.process.shopkeeper"]
        done = subprocess.run(
            [*command, str(self.database), self.broker, str(self.log), role, step],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in {0, -signal.SIGKILL}, done.stderr
        return done.returncode

    @property
    def runs(self) -> int:
        """How often the job has run."""
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    @property
    def users(self) -> int:
        """How many users are committed."""
        with sqlite3.connect(self.database) as connection:
            return int(connection.execute("SELECT count(*) FROM users").fetchone()[0])


@pytest.fixture
def shop(tmp_path: Path, servers: Shared) -> Shop:
    return Shop(tmp_path, f"{servers.url('redis')}?prefix=t-{uuid4().hex}")


def test_who_dies_before_the_commit_leaves_nothing(shop: Shop) -> None:
    assert shop.run("web", "written") == -signal.SIGKILL
    assert shop.users == 0
    assert shop.run("web", "never") == 0
    assert shop.run("work", "never") == 0
    assert (shop.users, shop.runs) == (1, 1)


def test_who_dies_right_after_the_commit_has_dispatched(shop: Shop) -> None:
    assert shop.run("web", "committed") == -signal.SIGKILL
    assert shop.run("work", "never") == 0
    assert (shop.users, shop.runs) == (1, 1)


@pytest.mark.parametrize("step", STEPS)
def test_a_worker_that_dies_on_the_way_leaves_the_row_to_the_next(shop: Shop, step: str) -> None:
    assert shop.run("web", "never") == 0
    assert shop.run("work", step) == -signal.SIGKILL
    assert shop.runs == 0
    assert shop.run("work", "never") == 0
    assert (shop.users, shop.runs) == (1, 1)


@pytest.mark.parametrize("step", ["written", "completed", "committed"])
def test_a_worker_that_dies_in_or_after_the_transaction_of_its_handler_has_its_effects_once(
    shop: Shop, step: str
) -> None:
    assert shop.run("charge", step) == -signal.SIGKILL
    assert shop.users == (1 if step == "committed" else 0)
    assert shop.run("charge", "never") == 0
    assert shop.users == 1
