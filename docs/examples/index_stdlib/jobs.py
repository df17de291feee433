"""The job: read one Python file, count what is in it, write the counts down."""

from __future__ import annotations

import ast
import sqlite3
import warnings
from collections import Counter
from contextlib import closing
from pathlib import Path

from asyncq import Job, JobContext

DATABASE = Path(__file__).with_name("index.db")
TABLE = """
create table if not exists files (
    path text primary key, lines integer, functions integer, imports integer, attempts integer
) without rowid
"""
# A job that runs twice must not count twice: the path is the key, and the second run writes over the first.
WRITE = """
insert into files values (?, ?, ?, ?, ?)
on conflict (path) do update set
    lines = excluded.lines, functions = excluded.functions, imports = excluded.imports, attempts = excluded.attempts
"""

# What the indexed files do in bad taste is not our business.
warnings.simplefilter("ignore", SyntaxWarning)


class IndexFile(Job, tries=3, backoff=[0.2, 1], timeout=30, unique=True):
    """`unique`: as long as a file waits to be indexed, a second dispatch of it adds nothing."""

    path: Path

    def handle(self, ctx: JobContext) -> None:
        """No `async`: this reads, parses and writes, and awaits nothing, so it belongs in a thread."""
        source = self.path.read_bytes()
        kinds = Counter(type(node) for node in ast.walk(ast.parse(source, str(self.path))))
        row = (
            str(self.path),
            len(source.splitlines()),
            kinds[ast.FunctionDef] + kinds[ast.AsyncFunctionDef],
            kinds[ast.Import] + kinds[ast.ImportFrom],
            ctx.attempt,
        )
        with closing(open_index()) as index, index:
            index.execute(WRITE, row)


def open_index() -> sqlite3.Connection:
    """Open the database of the results: WAL, so that all may read while one writes, and 30 s to wait for one's turn."""
    index = sqlite3.connect(DATABASE, timeout=30)
    index.execute("pragma journal_mode = wal")
    index.execute("pragma synchronous = normal")
    index.execute(TABLE)
    return index
