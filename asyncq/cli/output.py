"""How commands answer: data on stdout, as tables for people or JSON for machines; talk on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import orjson

from asyncq.clock import iso

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "Row",
    "ago",
    "counted",
    "forgotten",
    "say",
    "table_of",
    "when",
    "write_json",
    "write_line",
    "write_pairs",
    "write_rows",
]

Row = Mapping[str, Any]
_BREAKS: Final = str.maketrans({"\t": " ", "\n": " ", "\r": " "})


def say(text: str) -> None:
    """Tell a person something beside the data."""
    print(text, file=sys.stderr)


def write_json(value: Any) -> None:
    """Write one JSON document, indented on a terminal."""
    option = orjson.OPT_INDENT_2 if sys.stdout.isatty() else 0
    print(orjson.dumps(value, option=option | orjson.OPT_NON_STR_KEYS, default=str).decode())


def write_line(value: Any) -> None:
    """Write one JSON document in one line, at once: for what goes on."""
    print(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS, default=str).decode(), flush=True)


def write_rows(rows: Sequence[Row], columns: Sequence[str], *, as_json: bool, empty: str) -> None:
    """Write a listing: JSON, a table on a terminal, or lines with tabs on a pipe. JSON has every key of the rows."""
    if as_json:
        write_json(rows)
    elif not rows:
        say(empty)
    elif sys.stdout.isatty():
        _write_table(rows, columns)
    else:
        print("\t".join(columns))
        for row in rows:
            print("\t".join(_text(row.get(column)).translate(_BREAKS) for column in columns))


def write_pairs(pairs: Row, *, as_json: bool) -> None:
    """Write what is known of one thing, a line for each key; texts of several lines are indented below theirs."""
    if as_json:
        write_json(pairs)
        return
    width = max(map(len, pairs), default=0)
    for key, value in pairs.items():
        text = _text(value)
        if "\n" in text:
            print(f"{key}:", *(f"  {line}" for line in text.rstrip().splitlines()), sep="\n")
        else:
            print(f"{key:<{width}}  {text}")


def counted(number: int, what: str) -> str:
    """Return `1 job` or `1,234 jobs`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def forgotten(number: int, what: str) -> str:
    """Return `1 job was forgotten` or `2 jobs were forgotten`."""
    return f"{counted(number, what)} {'was' if number == 1 else 'were'} forgotten"


def when(at: float | None) -> str | None:
    """Return an instant as text."""
    return None if at is None else iso(at)


def ago(seconds: float | None) -> str:
    """Return a duration as a person says it."""
    if seconds is None:
        return "-"
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _text(value: Any) -> str:
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, cast("Sequence[Any]", value)))
    if isinstance(value, dict):
        return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()
    return str(value)


def _write_table(rows: Sequence[Row], columns: Sequence[str]) -> None:
    from rich.console import Console

    Console().print(table_of(rows, columns))


def table_of(rows: Sequence[Row], columns: Sequence[str]) -> Table:
    """Return the table that a terminal shows."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        is_number = all(isinstance(row.get(column), (int, float, type(None))) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold", no_wrap=column == "id")
    for row in rows:
        table.add_row(
            *(Text(_text(row.get(column)), style=_STYLES.get(_text(row.get(column)), "")) for column in columns)
        )
    return table


_STYLES: Final = {"ok": "green", "warning": "yellow", "problem": "red", "busy": "red"}
