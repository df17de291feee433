"""What `asyncq doctor` says of a server: its version, what it keeps over a crash, what keeps dead rows alive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from asyncq.drivers.postgres.link import Link
from asyncq.records import Fact

__all__ = ["diagnose"]

OLD: Final = 60.0
"""Seconds after which an open transaction is called old: what was deleted since it began cannot be cleaned up."""
MANY: Final = 100_000


async def diagnose(link: Link) -> list[Fact]:
    """Ask the server about itself."""
    row = (await link.run("facts"))[0]
    return [Fact(f"PostgreSQL {row['version']}"), *_durability(row), *_waste(row)]


def _durability(row: Any) -> Iterator[Fact]:
    if row["fsync"] != "on":
        yield Fact("fsync is off: a crash of its host may destroy the database", "problem", "set fsync = on")
    if row["synchronous_commit"] == "off":
        yield Fact(
            "synchronous_commit is off: a crash takes back the jobs of the last 0.6 s",
            "warning",
            "set synchronous_commit = on for this user",
        )
    else:
        yield Fact(f"synchronous_commit {row['synchronous_commit']}: an accepted job is on the disk")


def _waste(row: Any) -> Iterator[Fact]:
    age, dead = row["idle_transaction"], row["dead_rows"] or 0
    if not row["sees_others"]:
        yield Fact("transactions of other users cannot be seen", "warning", "GRANT pg_read_all_stats to this user")
    if age is not None and age > OLD:
        yield Fact(
            f"a transaction has been idle for {age:.0f} s: rows deleted since it began cannot be cleaned up",
            "warning",
            "end it, and set idle_in_transaction_session_timeout",
        )
    if dead > MANY:
        yield Fact(f"the table of jobs holds {dead:,} dead rows: each look walks over some of them", "warning",
                   "let autovacuum run, or VACUUM the table")  # fmt: skip
    if row["oldest_xmin"] is not None:
        yield Fact(f"its oldest snapshot is {row['oldest_xmin']:,} transactions old; {dead:,} dead rows among the jobs")
