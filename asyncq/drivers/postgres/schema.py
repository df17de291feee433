"""The statements by name, and the tables: which version is there, and the way to that of this code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

from asyncq.drivers import sql
from asyncq.errors import ConfigError

__all__ = ["VERSION", "Sql", "script", "statements"]

_PACKAGE = __package__ or ""
_FILES: Final = ("jobs.sql", "stores.sql", "meta.sql")
_PLAIN: Final = (
    "SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off "
    "SET jit = off SET plan_cache_mode = force_generic_plan"
)
"""How functions on the hot path are planned: once in a connection, and by the indexes whatever the statistics say.

A plan that was made for an empty table would otherwise be kept while a million jobs come, and a plan that is made
anew for each call costs more than the call.
"""
VERSION: Final = max(sql.versions(sql.load(_PACKAGE, "tables.sql")))
"""Version of the tables that this code reads and writes."""


class Sql:
    """The statements of one schema."""

    def __init__(self, schema: str) -> None:
        self._statements = statements(schema)
        self._once: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._statements[name]

    def once(self, name: str, values: int) -> str:
        """Return a statement that keeps its answer; one more value, after its own, names the operation."""
        if name not in self._once:
            keep = self._statements["keep"].replace("$op", f"${values + 1}::text")
            self._once[name] = keep.replace("$statement", self._statements[name])
        return self._once[name]


@cache
def statements(schema: str) -> Mapping[str, str]:
    """Return all statements by their names."""
    return MappingProxyType({name: text for file in _FILES for name, text in _load(file, schema).items()})


def script(schema: str, since: int, *, make_schema: bool = True) -> list[str]:
    """Return the statements that make the tables, or bring those of version `since` to this code's.

    Raises:
        ConfigError: there never was such a version.
    """
    if not 0 <= since <= VERSION:
        raise ConfigError(f"there are no tables of version {since}; this asyncq knows 1 to {VERSION}, 0 is none at all")
    if since == VERSION:
        return []
    own = [f'CREATE SCHEMA IF NOT EXISTS "{schema}"'] if make_schema and since == 0 else []
    tables = sql.versions(_load("tables.sql", schema))
    changes = [statement for number, step in tables.items() if number > since for statement in step]
    functions = [text.replace(" PLAIN AS ", f" {_PLAIN} AS ") for text in _load("functions.sql", schema).values()]
    meta = _load("meta.sql", schema)
    return ["BEGIN", *own, meta["create"], *changes, *functions, meta["note"].replace("$1", str(VERSION)), "COMMIT"]


def _load(file: str, schema: str) -> Mapping[str, str]:
    """Load a file; the word `asyncq.` in front of a name stands for the schema."""
    return {name: text.replace("asyncq.", f'"{schema}".') for name, text in sql.load(_PACKAGE, file).items()}
