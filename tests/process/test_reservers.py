"""Several processes at one SQLite file."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from asyncq import Connection
from asyncq.drivers import connect
from asyncq.testing.conformance.jobs import job
from tests.support.root import ROOT

JOBS = 2_000


def start(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a module of the tests in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answers(processes: list[subprocess.Popen[str]]) -> list[list[str]]:
    """Wait for the processes and return the words that each printed."""
    told: list[list[str]] = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        told.append(out.split())
    return told


@pytest.mark.parametrize("limit", [1, 20])
async def test_four_processes_take_each_job_once(tmp_path: Path, limit: int) -> None:
    url = f"sqlite:///{tmp_path}/queue.db"
    count = JOBS if limit > 1 else JOBS // 4
    async with connect(Connection(url)) as driver:
        await driver.push([job(f"job-{number}") for number in range(count)])
    shares = answers([start("tests.process.reserver", url, str(limit)) for _ in range(4)])

    taken = Counter(id for share in shares for id in share)
    assert set(taken) == {f"job-{number}" for number in range(count)}
    assert set(taken.values()) == {1}
    assert sum(map(bool, shares)) > 1, "one process did it all: nothing was tried"


async def test_six_processes_open_a_new_file_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/queue.db"
    assert answers([start("tests.process.reserver", url, "1") for _ in range(6)]) == [[]] * 6
    async with connect(Connection(url)) as driver:
        assert (await driver.push([job("a")]))[0].created
