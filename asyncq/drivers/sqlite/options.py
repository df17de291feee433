"""What a connection's settings say about the file, and whether the file can be a queue at all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from asyncq.config import Settings, mask
from asyncq.errors import BrokerUnavailable, ConfigError

__all__ = ["Options", "check_place", "file_system", "options_of"]

_KNOWN = ("busy_timeout", "max_page_count", "synchronous")
_SYNCHRONOUS = ("FULL", "NORMAL", "EXTRA")
# Their locks do not reach, or come late to, other hosts; WAL needs memory that all processes share.
_NETWORK = frozenset({
    "afs", "beegfs", "ceph", "cifs", "fuse.ceph", "fuse.cephfs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs",
    "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "smb2", "smb3", "smbfs",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """The file and how to open it."""

    path: Path
    prefix: str
    synchronous: str
    busy_timeout: float
    """Seconds that a call waits for another process that writes."""
    max_page_count: int | None
    """Most pages (of 4 KiB) that the file may have; None has no limit but the disk's."""

    @property
    def synced(self) -> bool:
        """Whether we sync after each commit; SQLite need not then, within it."""
        return self.synchronous == "FULL"


def options_of(settings: Settings) -> Options:
    """Read the options of a connection.

    Raises:
        ConfigError: the URL names no file, or an option is unknown or cannot be used.
    """
    settings.check_options(*_KNOWN)
    synchronous = settings.options.get("synchronous", "FULL").upper()
    if synchronous not in _SYNCHRONOUS:
        raise settings.refusal("synchronous", f"synchronous={synchronous!r} is none of {', '.join(_SYNCHRONOUS)}")
    pages = settings.options.get("max_page_count")
    return Options(
        path=_path(settings),
        prefix=settings.prefix,
        synchronous=synchronous,
        busy_timeout=_number(settings, "busy_timeout", settings.options.get("busy_timeout", "5")),
        max_page_count=None if pages is None else int(_number(settings, "max_page_count", pages)),
    )


def check_place(path: Path) -> None:
    """Make the directory of the file, and refuse a place where no queue can live.

    Raises:
        ConfigError: the path is a directory, or lies on a network file system.
        BrokerUnavailable: the file or its directory cannot be read and written by this user.
    """
    if path.is_dir():
        raise ConfigError(f"{path} is a directory; name a file in it, for example sqlite:///{path / 'queue.db'}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerUnavailable(f"{path}: cannot make its directory ({error}); make it, or choose another") from error
    kind = file_system(path.parent, _mounts())
    if kind in _NETWORK:
        raise ConfigError(
            f"{path} lies on a network file system ({kind}), where SQLite's locks do not hold; "
            "use a local disk, or a broker with a server such as redis:// or postgresql://"
        )
    _check_rights(path)


def file_system(directory: Path, mounts: str) -> str | None:
    """Return the kind of file system that a directory lies on, by a table in the form of /proc/mounts."""
    place, found, kind = directory.resolve(), -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(fields[1].replace("\\040", " "))
        # The last line of one mount point wins: it covers the ones before.
        if place.is_relative_to(point) and len(point.parts) >= found:
            found, kind = len(point.parts), fields[2]
    return kind


def _mounts() -> str:
    table = Path("/proc/mounts")
    return table.read_text(encoding="utf-8", errors="replace") if table.exists() else ""


def _check_rights(path: Path) -> None:
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise BrokerUnavailable(f"{path} cannot be read and written by this user; change its owner or mode")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise BrokerUnavailable(
            f"{path.parent} cannot be written by this user, and SQLite keeps two files beside {path.name} there; "
            "change its owner or mode"
        )


def _path(settings: Settings) -> Path:
    text, shown = unquote(settings.location), repr(mask(settings.url))
    if text.strip("/") in {":memory:", ""} or text.strip("/").startswith("file:"):
        hint = "for a queue in memory use memory://" if ":memory:" in text else "write sqlite:///queue.db"
        raise settings.refusal("url", f"{shown} names no file; {hint}")
    if not text.startswith("/"):
        file = text.rpartition("@")[2]
        raise settings.refusal(
            "url",
            f"{shown} has two slashes; write sqlite:///{file} for a file below the working directory, "
            f"or sqlite:////{file} for an absolute path",
        )
    if "\0" in text:
        raise settings.refusal("url", f"{shown} has a NUL in its path")
    # Absolute from here on: the queue stays the same file when the process changes its directory.
    return Path(text[1:]).absolute()


def _number(settings: Settings, key: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise settings.refusal(key, f"{key}={text!r} is no number") from None
    if not 0 <= value <= 2**31:
        raise settings.refusal(key, f"{key}={text!r} must be 0 or more, and finite")
    return value
