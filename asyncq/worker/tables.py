"""Refuses to work where the broker has no tables of this code's version."""

from __future__ import annotations

from asyncq.contracts import Driver, Installable
from asyncq.errors import SchemaError

__all__ = ["check_tables"]


async def check_tables(driver: Driver) -> None:
    """Look at the version of the tables, where there are some.

    Raises:
        SchemaError: they are missing or old; a worker would find nothing to do, over and over.
    """
    if not isinstance(driver, Installable):
        return
    found, needed = await driver.schema()
    if found < needed:
        what = f"has tables of version {found}, and this asyncq needs {needed}" if found else "has no tables"
        raise SchemaError(f"connection {driver.name!r} {what}; run: asyncq migrate up")
