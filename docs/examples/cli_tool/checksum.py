"""Print the checksums of files, as sha256sum does; workers read them, several at once, here or wherever they run.

asyncq work                 in another terminal
python checksum.py FILE …

There is no event loop in this program, and no `async`: `asyncq.blocking` has one in a thread of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from asyncq import JobHandle, blocking
from asyncq.errors import JobFailure

from jobs import Checksum


def checksums(paths: Sequence[Path], timeout: float) -> int:
    """Dispatch one job for each file, print what they return, and return the exit code."""
    handles: Sequence[JobHandle[str]] = blocking.dispatch_many([Checksum(path=path.resolve()) for path in paths])
    try:
        return max([show(path, handle, timeout) for path, handle in zip(paths, handles, strict=True)], default=0)
    except TimeoutError:
        print(f"nothing came within {timeout:g} s; is a worker running? start one: asyncq work", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        code = 130
    for handle in handles:
        blocking.call(handle.cancel)  # nobody waits for them any more; those that are done stay done
    return code


def show(path: Path, handle: JobHandle[str], timeout: float) -> int:
    """Wait for one file's checksum and print it."""
    try:
        print(f"{blocking.result(handle, timeout=timeout)}  {path}", flush=True)
    except JobFailure as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    options = argparse.ArgumentParser(description="Print the checksums of files.")
    options.add_argument("paths", nargs="+", type=Path, metavar="FILE")
    options.add_argument("--timeout", type=float, default=60, help="seconds to wait for one file")
    given = options.parse_args()
    sys.exit(checksums(given.paths, given.timeout))
