"""Dispatch one job for each Python file, or tell what the jobs have found.

python index.py              the interpreter's own standard library
python index.py FOLDER …     other folders
python index.py --summary    what is in the index
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from asyncq import dispatch_many

from jobs import IndexFile, open_index

# What was installed beside the standard library is not of it.
OTHERS = {"site-packages", "dist-packages"}


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the Python files below a folder."""
    for path in sorted(folder.resolve().rglob("*.py")):
        if path.is_file() and OTHERS.isdisjoint(path.relative_to(folder.resolve()).parts):
            yield path


async def index(folders: Sequence[Path]) -> None:
    """Dispatch them all together: one call to the broker, not one for each file."""
    jobs = [IndexFile(path=path) for folder in folders for path in python_files(folder)]
    handles = await dispatch_many(jobs)
    new = sum(handle.created for handle in handles)
    print(f"{new} jobs dispatched, {len(jobs) - new} were waiting already")


def summary() -> None:
    """Print what is in the index."""
    with closing(open_index()) as database:
        totals = "select count(*), total(lines), total(functions), total(imports) from files"
        files, lines, functions, imports = database.execute(totals).fetchone()
        largest = database.execute("select path, lines from files order by lines desc limit 1").fetchone()
    print(f"{files} files, {lines:.0f} lines, {functions:.0f} functions, {imports:.0f} imports")
    if largest:
        print("the longest is {} with {} lines".format(*largest))


if __name__ == "__main__":
    if sys.argv[1:] == ["--summary"]:
        summary()
    else:
        asyncio.run(index([Path(name) for name in sys.argv[1:]] or [Path(sysconfig.get_path("stdlib"))]))
