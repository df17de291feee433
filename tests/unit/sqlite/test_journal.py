"""What is answered is on the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from asyncq.clock import Clock
from asyncq.config import Connection
from asyncq.contracts import Driver
from asyncq.drivers import connect
from asyncq.drivers.sqlite import journal
from asyncq.errors import BrokerUnavailable
from asyncq.payload import Done
from asyncq.testing.conformance.jobs import push, reserve, reserve_one, settle

STILL = Clock(now=lambda: 1_900_000_000.0)
"""Without it a call may do what is due once a second, too."""


class Disk:
    """Counts the syncs of each file, and fails where it is told to."""

    def __init__(self) -> None:
        self.synced: list[Path] = []
        self.failure: OSError | None = None

    def sync(self, handle: int) -> None:
        """Stand in for `fdatasync`."""
        if self.failure is not None:
            raise self.failure
        self.synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        os.fdatasync(handle)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk = Disk()
    monkeypatch.setattr(journal, "_sync", disk.sync)
    return disk


def at(path: Path, synchronous: str = "FULL") -> Driver:
    return connect(Connection(f"sqlite:///{path}?lease=3600&synchronous={synchronous}"), clock=STILL)


async def test_each_commit_is_synced_before_its_answer(tmp_path: Path, disk: Disk) -> None:
    log = tmp_path / "queue.db-wal"
    async with at(tmp_path / "queue.db") as driver:
        disk.synced.clear()
        await push(driver, "a")
        assert disk.synced == [log]
        held = await reserve_one(driver)
        assert disk.synced == [log] * 2
        await settle(driver, held, Done())
        assert disk.synced == [log] * 3


async def test_what_writes_nothing_syncs_nothing(tmp_path: Path, disk: Disk) -> None:
    async with at(tmp_path / "queue.db") as driver:
        await push(driver, "a")
        disk.synced.clear()
        assert await reserve(driver, "other") == []
        assert disk.synced == []


@pytest.mark.parametrize("how", ["NORMAL", "EXTRA"])
async def test_what_sqlite_shall_see_to_is_left_to_it(tmp_path: Path, disk: Disk, how: str) -> None:
    async with at(tmp_path / "queue.db", how) as driver:
        await push(driver, "a")
    assert disk.synced == []


async def test_the_log_lies_beside_the_file_and_not_beside_a_link_to_it(tmp_path: Path, disk: Disk) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link.db").symlink_to(tmp_path / "real" / "queue.db")
    async with at(tmp_path / "link.db") as driver:
        await push(driver, "a")
    assert set(disk.synced) == {tmp_path / "real" / "queue.db-wal"}


async def test_what_may_not_be_on_the_disk_is_not_accepted(tmp_path: Path, disk: Disk) -> None:
    async with at(tmp_path / "queue.db") as driver:
        disk.failure = OSError(errno.EIO, "Input/output error")
        with pytest.raises(BrokerUnavailable, match=r"queue\.db: the disk failed .*Input/output error"):
            await push(driver, "a")
        disk.failure = None
        disk.synced.clear()
        await push(driver, "b")
        assert disk.synced == [tmp_path / "queue.db-wal"]


async def test_a_file_that_was_replaced_gets_its_own_log_synced(tmp_path: Path, disk: Disk) -> None:
    async with at(tmp_path / "queue.db") as driver:
        await push(driver, "a")
        for name in ("queue.db", "queue.db-wal", "queue.db-shm"):
            (tmp_path / name).unlink()
        with pytest.raises(BrokerUnavailable, match="was removed or replaced"):
            await push(driver, "b")
        disk.synced.clear()
        await push(driver, "c")
        assert disk.synced == [tmp_path / "queue.db-wal"], "the link of a file that is gone would say so"
