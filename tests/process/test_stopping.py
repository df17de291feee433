"""How a worker ends: within its budget, with code 0, and with every job handed back uncounted."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.process.workshop import children_of, until, workshop
from tests.support.root import ROOT

GRACE = 2.0
BUDGET = GRACE + max(1.0, GRACE)
SLACK = 4.0
"""For a busy machine, and for the keeper's own slack of 5 s in the case of a blocked loop."""


@pytest.mark.parametrize(("job", "slack"), [("Sleep", SLACK), ("Thread", SLACK), ("Block", SLACK + 5.0)])
def test_a_stopped_worker_ends_in_time_and_its_job_starts_elsewhere_uncounted(
    tmp_path: Path, job: str, slack: float
) -> None:
    with workshop(tmp_path) as shop:
        first = shop.start("--grace", str(GRACE), "--name", "first")
        (id,) = shop.dispatch((job, {"seconds": 60}))
        until(lambda: shop.starts(id), 10, "the start")
        shop.start("--grace", str(GRACE), "--name", "second")
        stopped_at = time.monotonic()
        first.send(signal.SIGTERM)
        assert first.wait(BUDGET + slack) == 0
        ended_at = time.monotonic()
        again = until(lambda: shop.starts(id)[1:], 10, "the start elsewhere")[0]

        assert ended_at - stopped_at < BUDGET + slack
        assert again.at - ended_at < 1.0 + SLACK
        assert (again.attempt, again.crashes) == (1, 0)
        assert again.pid != first.pid
        assert "Traceback" not in first.log()


def test_an_idle_worker_ends_at_once(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        worker = shop.start("--grace", "30")
        stopped_at = time.monotonic()
        worker.send(signal.SIGTERM)

        assert worker.wait(10) == 0
        assert time.monotonic() - stopped_at < 0.5 + SLACK
        assert shop.beats() == []


def test_a_second_signal_skips_the_grace(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        worker = shop.start("--grace", "60")
        (id,) = shop.dispatch(("Sleep", {"seconds": 60}))
        until(lambda: shop.starts(id), 10, "the start")
        worker.send(signal.SIGINT)
        worker.send(signal.SIGTERM)

        assert worker.wait(5 + SLACK) == 0
        size = shop.size()
        assert (size.ready, size.reserved) == (1, 0)


def test_a_job_that_ends_within_the_grace_is_done(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        worker = shop.start("--grace", "20")
        (id,) = shop.dispatch(("Sleep", {"seconds": 1.0}))
        until(lambda: shop.starts(id), 10, "the start")
        worker.send(signal.SIGTERM)

        assert worker.wait(10) == 0
        assert shop.ends() == [id]
        assert shop.size().total == 0


def test_children_drain_when_their_parent_is_killed(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        parent = shop.start("--processes", "2", "--grace", "5")
        until(lambda: len(shop.beats()) == 2, 20, "two workers")
        children = children_of(parent.pid)
        (id,) = shop.dispatch(("Sleep", {"seconds": 1.0}))
        until(lambda: shop.starts(id), 10, "the start")
        parent.process.kill()
        parent.wait(5)

        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), 15, "the end of the children")
        assert shop.ends() == [id]


def test_a_parent_forwards_the_stop_and_ends_with_its_children(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        parent = shop.start("--processes", "2", "--grace", "1")
        until(lambda: len(shop.beats()) == 2, 20, "two workers")
        children = children_of(parent.pid)
        parent.send(signal.SIGTERM)

        assert parent.wait(10) == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)


INTERRUPTED_START = """
import os, signal, subprocess, sys
from asyncq.worker.processes import run_processes

class Child(subprocess.Popen):
    def __init__(self, command, **options):
        super().__init__([sys.executable, "-c", "import time; time.sleep(3600)"], **options)
        os.kill(os.getpid(), signal.SIGTERM)

subprocess.Popen = Child
sys.exit(run_processes([], 2, 1.0))
"""


def test_a_parent_that_is_stopped_while_it_starts_a_child_stops_that_child_too() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED_START], cwd=ROOT, timeout=30, check=False)
    assert done.returncode == 0


def test_hup_replaces_the_children_one_by_one_without_losing_a_job(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        parent = shop.start("--processes", "2", "--grace", "5")
        until(lambda: len(shop.beats()) == 2, 20, "two workers")
        old = set(children_of(parent.pid))
        ids = shop.dispatch(*[("Sleep", {"seconds": 0.2})] * 40)
        parent.send(signal.SIGHUP)

        until(lambda: len(set(children_of(parent.pid)) - old) == 2, 30, "two new children")
        until(lambda: set(ids) <= set(shop.ends()), 20, "the end of all jobs")
        assert {line.attempt for line in shop.history()} == {1}
        assert parent.process.poll() is None


def test_usr2_pauses_and_cont_resumes(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        worker = shop.start()
        worker.send(signal.SIGUSR2)
        until(lambda: "paused by a signal" in worker.log(), 10, "the pause")
        (id,) = shop.dispatch(("Sleep", {"seconds": 0.0}))
        assert shop.size().ready == 1
        worker.send(signal.SIGCONT)

        until(lambda: id in shop.ends(), 10, "the run")


def test_a_killed_child_is_replaced_and_its_job_runs_again(tmp_path: Path) -> None:
    with workshop(tmp_path, lease=1.0) as shop:
        shop.start("--processes", "2")
        (id,) = shop.dispatch(("Sleep", {"seconds": 1.5}))
        first = until(lambda: shop.starts(id), 10, "the start")[0]
        os.kill(first.pid, signal.SIGKILL)
        again = until(lambda: shop.starts(id)[1:], 10, "the second start")[0]

        assert (again.attempt, again.crashes) == (1, 1)
        until(lambda: id in shop.ends(), 10, "the end")


WITNESS = """
from asyncq.drivers.sqlite.driver import SqliteDriver

reserve = SqliteDriver.reserve


async def witnessed(self, *given, **named):
    open("reserving.txt", "w").close()
    return await reserve(self, *given, **named)


SqliteDriver.reserve = witnessed
"""


def test_a_stop_during_a_reserve_loses_nothing_and_counts_nothing(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        shop.patch(WITNESS)
        worker = shop.start("--grace", str(GRACE), "--name", "first")
        worker.send(signal.SIGUSR2)
        until(lambda: "is paused" in worker.log(), 10, "the pause")
        (id,) = shop.dispatch(("Sleep", {"seconds": 0.1}))
        (tmp_path / "reserving.txt").unlink(missing_ok=True)
        with closing(sqlite3.connect(tmp_path / "queue.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # the reserve has to wait for this lock
            worker.send(signal.SIGCONT)
            until((tmp_path / "reserving.txt").exists, 10, "the reserve")
            worker.send(signal.SIGTERM)
            other.execute("COMMIT")
        assert worker.wait(BUDGET + SLACK) == 0
        assert "Traceback" not in worker.log()

        shop.start("--once", "--name", "second")
        again = until(lambda: shop.starts(id), 10, "the start elsewhere")
        assert [(line.attempt, line.crashes) for line in again] == [(1, 0)]
        until(lambda: shop.size().total == 0, 10, "the settlement")
