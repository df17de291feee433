"""A job that holds the event loop, or more: named, kept alone in its lease, and ended where it has no end."""

from __future__ import annotations

import re
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.process.workshop import Workshop, until, workshop

LEASE = 1.0
INNOCENTS = 24
WITHOUT_KEEPER = """
from asyncq.worker.keeper import KeeperThread
KeeperThread._renew = lambda self, keeper: True
"""


def block_beside_others(shop: Workshop) -> tuple[str, Counter[str], str]:
    """Block one worker for three leases while an idle one waits for its chance; returns id, starts by id and log."""
    blocked = shop.start("--concurrency", "4", "--name", "blocked")
    # Innocents of different lengths end while the loop is held, so that a settlement and a reserve are under way.
    jobs = [("Block", {"seconds": 3 * LEASE}), *[("Sleep", {"seconds": n % 6 / 100}) for n in range(INNOCENTS)]]
    culprit, *others = shop.dispatch(*jobs)
    until(lambda: shop.starts(culprit), 10, "the start of the blocking job")
    shop.start("--concurrency", "4", "--name", "idle")
    until(lambda: culprit in shop.ends() and set(others) <= set(shop.ends()), 30, "the end of all jobs")
    until(lambda: shop.size().total == 0, 10, "the settlement of all jobs")
    return culprit, Counter(line.id for line in shop.history() if line.what == "start"), blocked.log()


def test_a_job_that_blocks_the_loop_for_three_leases_runs_once_and_so_do_all_beside_it(tmp_path: Path) -> None:
    with workshop(tmp_path, LEASE) as shop:
        culprit, starts, log = block_beside_others(shop)

    assert set(starts.values()) == {1}, starts
    line = (tmp_path / "shop.py").read_text().split("# the line")[0].count("\n") + 1
    named = re.search(rf"shop:Block {culprit} holds the event loop for ([\d.]+) s at \S*shop.py:{line}", log)
    assert named, log
    assert float(named[1]) < 1.0


def test_without_the_keeper_the_same_job_runs_twice(tmp_path: Path) -> None:
    with workshop(tmp_path, LEASE) as shop:
        shop.patch(WITHOUT_KEEPER)
        culprit, starts, _ = block_beside_others(shop)

    assert starts[culprit] > 1


@pytest.mark.parametrize("culprit", ["Spin", "Gil"])
def test_a_job_that_never_lets_go_is_timed_out_and_its_process_replaced(tmp_path: Path, culprit: str) -> None:
    with workshop(tmp_path) as shop:
        shop.start("--processes", "2", "--concurrency", "20", "--grace", "2")
        *innocents, guilty = shop.dispatch(*[("Sleep", {"seconds": 2.5})] * 9, (culprit, {}))
        until(lambda: shop.starts(guilty), 15, "the start of the guilty job")
        held_at = time.monotonic()
        until(shop.failed, 12, "the record of the timeout")
        until(lambda: set(innocents) <= set(shop.ends()), 20, "the end of the innocents")
        until(lambda: shop.size().total == 0, 10, "the settlement of all")

        record = shop.failed()[0]
        assert record.id == guilty
        assert record.error.startswith("JobTimeout")
        assert len(shop.starts(guilty)) == 1
        assert {line.attempt for line in shop.history()} == {1}
        assert {line.crashes for line in shop.history()} == {0}
        pids = {line.pid for line in shop.history() if line.what == "end"}
        assert shop.starts(guilty)[0].pid not in pids or len(pids) > 1
        assert time.monotonic() - held_at < 30
        if culprit == "Spin":
            assert (tmp_path / "failed.txt").read_text() == "JobTimeout\n"


def test_a_job_that_ends_its_process_each_time_is_convicted_at_its_third_crash(tmp_path: Path) -> None:
    with workshop(tmp_path, LEASE) as shop:
        shop.start("--processes", "2", "--concurrency", "20")
        guilty, *innocents = shop.dispatch(("Leave", {}), *[("Sleep", {"seconds": 0.5})] * 9)
        until(shop.failed, 40, "the conviction")
        until(lambda: set(innocents) <= set(shop.ends()), 30, "the end of the innocents")
        until(lambda: shop.size().total == 0, 10, "the settlement of all")

        record = shop.failed()[0]
        assert (record.id, record.crashes) == (guilty, 3)
        assert record.error.startswith("TooManyCrashes")
        assert len(shop.starts(guilty)) == 3
        assert len(shop.failed()) == 1
        assert {line.attempt for line in shop.history()} == {1}


def test_a_child_task_that_raises_system_exit_fails_its_job_and_nothing_else(tmp_path: Path) -> None:
    with workshop(tmp_path) as shop:
        worker = shop.start("--concurrency", "20")
        guilty, *innocents = shop.dispatch(("Rebel", {}), *[("Sleep", {"seconds": 0.5})] * 9)
        until(lambda: set(innocents) <= set(shop.ends()), 15, "the end of the innocents")
        until(shop.failed, 5, "the record")

        assert [item.id for item in shop.failed()] == [guilty]
        assert worker.process.poll() is None
        assert {line.pid for line in shop.history()} == {worker.pid}
