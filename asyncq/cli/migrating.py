"""Tables of brokers that have some: which version is there, and bringing them to that of this code."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from asyncq.app import AsyncQ
from asyncq.cli.failures import UsageError
from asyncq.cli.output import Row, write_json, write_rows
from asyncq.config import mask
from asyncq.contracts import Installable
from asyncq.discovery import discover
from asyncq.drivers import connect
from asyncq.errors import ConfigError, NotSupported

__all__ = ["migrate_up", "schema_rows", "show_schema", "show_script"]

COLUMNS: Final = ("connection", "found", "needed", "state", "url")
SCHEMA_MISSING: Final = 5


def show_schema(asked: str | None, *, as_json: bool) -> int:
    """Show the versions of the tables; returns 5 where some are missing or old."""
    rows = asyncio.run(schema_rows(discover(asked, jobs=False).app))
    _write(rows, as_json=as_json)
    return SCHEMA_MISSING if any(row["state"] in {"missing", "old"} for row in rows) else 0


def show_script(asked: str | None, connection: str | None, since: int, *, as_json: bool) -> int:
    """Write the SQL of the tables of one connection, or of all that have some; opens none of them."""
    app = discover(asked, jobs=False).app
    names = [_known(app, connection)] if connection is not None else list(app.connections)
    drivers = {name: connect(app.connections[name], name=name) for name in names}
    able = {name: driver for name, driver in drivers.items() if isinstance(driver, Installable)}
    if not able:
        told = ", ".join(f"{name} ({mask(app.connections[name].url)})" for name in names)
        raise NotSupported(f"there are no tables to make for {told}")
    try:
        scripts = {name: driver.script(since) for name, driver in able.items()}
    except ConfigError as error:
        raise UsageError(f"--since {since}: {error}") from error
    if as_json:
        write_json([_script_row(name, since, *script) for name, script in scripts.items()])
    for name, (version, statements) in () if as_json else scripts.items():
        print(f"-- connection {name}: tables of version {version}" + (f", from {since}" if since else ""))
        print("".join(f"{statement};\n" for statement in statements))
    return 0


def _known(app: AsyncQ, connection: str) -> str:
    if connection not in app.connections:
        known = ", ".join(map(repr, app.connections))
        raise ConfigError(f"no connection is called {connection!r}; there are {known}")
    return connection


def _script_row(name: str, since: int, version: int, statements: Sequence[str]) -> Row:
    return {"connection": name, "since": since, "version": version, "statements": list(statements)}


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
