"""Tables of brokers that have some: which version is there, and bringing them to that of this code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from asyncq.app import AsyncQ
from asyncq.cli.output import Row, write_rows
from asyncq.config import mask
from asyncq.contracts import Installable
from asyncq.discovery import discover
from asyncq.drivers import connect

__all__ = ["migrate_up", "schema_rows", "show_schema"]

COLUMNS: Final = ("connection", "found", "needed", "state", "url")
SCHEMA_MISSING: Final = 5


def show_schema(asked: str | None, *, as_json: bool) -> int:
    """Show the versions of the tables; returns 5 where some are missing or old."""
    rows = asyncio.run(schema_rows(discover(asked, jobs=False).app))
    _write(rows, as_json=as_json)
    return SCHEMA_MISSING if any(row["state"] in {"missing", "old"} for row in rows) else 0


def migrate_up(asked: str | None, *, as_json: bool) -> int:
    """Make or update the tables of every connection."""
    app = discover(asked, jobs=False).app
    asyncio.run(_install(app))
    _write(asyncio.run(schema_rows(app)), as_json=as_json)
    return 0


async def schema_rows(app: AsyncQ) -> Sequence[Row]:
    """Return the versions of each connection, one after another: what one lacks must not hide the others."""
    rows: list[Row] = []
    for name, connection in app.connections.items():
        found = needed = None
        async with connect(connection, name=name) as driver:
            if isinstance(driver, Installable):
                found, needed = await driver.schema()
        rows.append(
            {
                "connection": name,
                "found": found,
                "needed": needed,
                "state": _state(found, needed),
                "url": mask(connection.url),
            }
        )
    return rows


def _state(found: int | None, needed: int | None) -> str:
    if found is None:
        return "has no tables"
    return "current" if found == needed else "old" if found else "missing"


async def _install(app: AsyncQ) -> None:
    for name, connection in app.connections.items():
        async with connect(connection, name=name) as driver:
            if isinstance(driver, Installable):
                await driver.install()


def _write(rows: Sequence[Row], *, as_json: bool) -> None:
    write_rows(rows, COLUMNS, as_json=as_json, empty="no connections")
