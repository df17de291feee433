"""What a URL may say, and what it is told where it says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncq.config import Connection
from asyncq.drivers.sqlite.options import file_system, options_of
from asyncq.errors import ConfigError
from tests.unit.sqlite.files import driver_at, job

MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/data /mnt/share nfs4 rw 0 0
/dev/vdb /mnt/share/local ext4 rw 0 0
//host/c /mnt/two\\040words cifs rw 0 0
"""


def path_of(url: str) -> Path:
    return options_of(Connection(url).settings("main")).path


def test_three_slashes_name_a_file_below_the_working_directory() -> None:
    assert path_of("sqlite:///some/queue.db") == Path.cwd() / "some/queue.db"


def test_four_slashes_name_an_absolute_path() -> None:
    assert path_of("sqlite:////var/lib/queue.db") == Path("/var/lib/queue.db")


def test_escapes_in_the_path_are_undone() -> None:
    assert path_of("sqlite:////tmp/a%20b%23c%3Fd.db") == Path("/tmp/a b#c?d.db")  # noqa: S108


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:///:memory:", "memory://"),
        ("sqlite://:memory:", "memory://"),
        ("sqlite:///", "names no file"),
        ("sqlite://queue.db", "sqlite:///queue.db"),
        (
            "sqlite:///q.db?journal=delete",
            "there are after_commit, block_for, busy_timeout, lease, max_page_count",
        ),
        ("sqlite:///q.db?synchronous=OFF", "FULL, NORMAL, EXTRA"),
        ("sqlite:///q.db?busy_timeout=soon", "no number"),
        ("sqlite:///q.db?max_page_count=-1", "0 or more"),
        ("sqlite:///q%00.db", "NUL"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_way_out(url: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"connection 'main'") as caught:
        path_of(url)
    assert words in str(caught.value)


def test_options_come_from_the_url_or_the_connection() -> None:
    known = Connection("sqlite:///q.db?synchronous=normal", busy_timeout="0.5", max_page_count="100").settings("main")
    options = options_of(known)
    assert (options.synchronous, options.busy_timeout, options.max_page_count) == ("NORMAL", 0.5, 100)


@pytest.mark.parametrize(
    ("directory", "kind"),
    [
        ("/home", "ext4"),
        ("/mnt/share/queues", "nfs4"),
        ("/mnt/shared", "ext4"),
        ("/mnt/share/local/queues", "ext4"),
        ("/mnt/two words", "cifs"),
    ],
)
def test_the_innermost_mount_tells_the_file_system(directory: str, kind: str) -> None:
    assert file_system(Path(directory), MOUNTS) == kind


async def test_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncq.drivers.sqlite.options._mounts", lambda: "server:/ / nfs rw 0 0")
    with pytest.raises(ConfigError, match="network file system"):
        await driver_at(tmp_path / "queue.db").__aenter__()


async def test_a_prefix_names_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "queue.db"
    async with driver_at(path, prefix="one") as one, driver_at(path, prefix="two") as two:
        await one.push([job("a")])
        assert await two.queues() == []
        assert await one.queues() == ["default"]


async def test_a_prefix_that_cannot_name_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prefix"):
        driver_at(tmp_path / "queue.db", prefix="a-b; DROP")
