"""Named statements from `.sql` files, and the numbered steps of a schema.

A file holds statements, each under a line `-- name: <name>`; comment lines below it explain it and are not sent.
The word `asyncq_` in front of a table or index is replaced by the prefix of the connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pkgutil import get_data  # `importlib.resources` imports what reads archives, a third of a megabyte
from types import MappingProxyType

from asyncq.errors import ConfigError

__all__ = ["load", "parse", "versions"]

_NAME = re.compile(r"^-- name: *(\w+) *$", re.MULTILINE)
_STEP = re.compile(r"v(\d+)")
_PREFIX = re.compile(r"[A-Za-z]\w{0,40}")
_OWN = "asyncq_"


@cache
def load(package: str, file: str, prefix: str = "asyncq") -> Mapping[str, str]:
    """Return the statements of one file of a package by name.

    Raises:
        ConfigError: the prefix cannot stand in front of a table's name.
    """
    if _PREFIX.fullmatch(prefix) is None:
        raise ConfigError(f"prefix={prefix!r} cannot name tables; use a letter, then letters, digits and _")
    statements = parse((get_data(package, file) or b"").decode())
    return MappingProxyType({name: text.replace(_OWN, f"{prefix}_") for name, text in statements.items()})


def parse(text: str) -> dict[str, str]:
    """Split the text of a `.sql` file into its statements, without comments."""
    _, *parts = _NAME.split(text)
    names, bodies = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError("a statement has the name of another one")
    return {name: _bare(body) for name, body in zip(names, bodies, strict=True)}


def versions(statements: Mapping[str, str]) -> dict[int, tuple[str, ...]]:
    """Return the steps of a schema, named `v1`, `v2` and so on, each as its single statements, in order."""
    numbers = {int(match[1]): text for name, text in statements.items() if (match := _STEP.fullmatch(name))}
    return {number: _single(numbers[number]) for number in sorted(numbers)}


def _bare(body: str) -> str:
    lines = (line.rstrip() for line in body.splitlines())
    return "\n".join(line for line in lines if line and not line.lstrip().startswith("--")).removesuffix(";")


def _single(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(";\n") if part.strip())
