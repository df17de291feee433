"""The crash proof in small: real workers, real kills, and a keeper that is missed when it is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.postgres.binaries import require as require_postgres
from tests.support.redis.binaries import require
from tests.support.root import ROOT

# Real processes and real time: where the machine itself stalls, a run says nothing, and is made again.
pytestmark = pytest.mark.flaky(reruns=2)


def prove(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Make a run with few jobs and a short lease, and keep its histories in the test's folder."""
    command = [sys.executable, "-m", "benchmarks.chaos", "--keep", str(folder / "run"), "--workers", "2"]
    small = ["--jobs", "400", "--kills", "4", "--stalls", "0", "--lease", "1", "--long", "4", "--limit", "60"]
    small += ["--server-kills", "0", "--cuts", "0"]
    # The machine of the tests is shared: how soon jobs start again is what `make chaos` judges, alone.
    small += ["--slack", "30"]
    return subprocess.run(
        [*command, *small, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.timeout(120)
def test_kills_lose_nothing(tmp_path: Path) -> None:
    done = prove(tmp_path)
    assert (done.returncode, "BROKEN" in done.stdout) == (0, False), done.stdout + done.stderr


@pytest.mark.timeout(120)
def test_a_stall_ends_in_refused_settles(tmp_path: Path) -> None:
    # Long enough leases that a pause of the machine does not look like the stall.
    done = prove(tmp_path, "--kills", "0", "--stalls", "2", "--stall-jobs", "400", "--lease", "2")
    assert (done.returncode, "BROKEN" in done.stdout) == (0, False), done.stdout + done.stderr


@pytest.mark.timeout(120)
def test_kills_lose_nothing_on_redis(tmp_path: Path) -> None:
    require()
    done = prove(tmp_path, "--broker", "redis")
    assert (done.returncode, "BROKEN" in done.stdout) == (0, False), done.stdout + done.stderr


@pytest.mark.timeout(120)
def test_a_server_that_dies_loses_nothing(tmp_path: Path) -> None:
    require()
    done = prove(tmp_path, "--broker", "redis", "--kills", "0", "--server-kills", "3", "--outage-jobs", "300")
    assert (done.returncode, "BROKEN" in done.stdout) == (0, False), done.stdout + done.stderr
    assert "deaths of the server" in done.stdout


@pytest.mark.timeout(120)
def test_kills_lose_nothing_on_postgres_while_it_ends_sessions(tmp_path: Path) -> None:
    require_postgres()
    # The lease is the one with which jobs are not taken for lost where the machine stands still.
    done = prove(tmp_path, "--broker", "postgres", "--cuts", "40", "--cut-jobs", "300", "--lease", "2")
    assert (done.returncode, "BROKEN" in done.stdout) == (0, False), done.stdout + done.stderr
    assert "cuts on postgres" in done.stdout


@pytest.mark.timeout(120)
def test_a_server_of_postgres_that_dies_or_stops_loses_nothing(tmp_path: Path) -> None:
    require_postgres()
    done = prove(tmp_path, "--broker", "postgres", "--kills", "0", "--server-kills", "3", "--outage-jobs", "300")
    assert (done.returncode, "BROKEN" in done.stdout) == (0, False), done.stdout + done.stderr
    assert "deaths of the server" in done.stdout


@pytest.mark.timeout(120)
def test_a_server_of_postgres_that_forgets_is_caught(tmp_path: Path) -> None:
    require_postgres()
    forgetful = ["--server-kills", "2", "--outage-jobs", "300", "--no-disk", "--limit", "30"]
    done = prove(tmp_path, "--broker", "postgres", "--kills", "0", *forgetful)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN: lost" in done.stdout


@pytest.mark.timeout(120)
def test_a_server_that_forgets_is_caught(tmp_path: Path) -> None:
    require()
    forgetful = ["--server-kills", "1", "--outage-jobs", "300", "--no-disk"]
    done = prove(tmp_path, "--broker", "redis", "--kills", "0", *forgetful)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN: lost" in done.stdout


@pytest.mark.timeout(120)
def test_a_worker_without_a_keeper_is_caught(tmp_path: Path) -> None:
    # Jobs that outlast their leases go round for ever then: the limit ends it.
    done = prove(tmp_path, "--kills", "0", "--stalls", "1", "--stall-jobs", "40", "--no-keeper", "--limit", "12")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN: unexplained start" in done.stdout
