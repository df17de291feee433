"""What a source file of a project says, read without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["defines_jobs", "mentions", "runs_at_import", "runs_program"]

_RUNNERS: Final = {"asyncio.run", "anyio.run", "trio.run", "uvloop.run", "uvicorn.run"}
_MENTION: Final = re.compile(r"\basyncq\b", re.IGNORECASE)
_WORKS: Final = (ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith)
_OURS: Final = ("Job", "job")


def mentions(path: Path) -> bool:
    """Say whether a source file has the word asyncq."""
    try:
        return bool(_MENTION.search(path.read_text(encoding="utf-8", errors="replace")))
    except OSError:
        return False


def runs_program(path: Path) -> str | None:
    """Return the first call, with its line, by which importing the file would run its program; None: there is none."""
    return next((_told(item) for item in _body(path) if _callee(item) in _RUNNERS), None)


def runs_at_import(path: Path) -> str | None:
    """Return the first statement, with its line, that does more than define things; None: there is none.

    This is for a file that its name does not make a module: a script may do anything when it is imported.
    """
    return next((_told(item) for item in _body(path) if isinstance(item, _WORKS) or _is_call(item)), None)


def defines_jobs(path: Path) -> bool:
    """Say whether the file has a class that derives from Job, or a function that is decorated as a job."""
    body = list(_body(path))
    names = {"asyncq.Job", "asyncq.job"}
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "asyncq":
            names |= {item.asname or item.name for item in statement.names if item.name in _OURS}
    return any(name in names for statement in body for name in _makers(statement))


def _makers(statement: ast.stmt) -> Iterator[str]:
    """Yield the bases of a class and the decorators of a function, by name."""
    if isinstance(statement, ast.ClassDef):
        yield from map(ast.unparse, statement.bases)
    elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
        for item in statement.decorator_list:
            yield ast.unparse(item.func if isinstance(item, ast.Call) else item)


def _body(path: Path) -> Iterator[ast.stmt]:
    try:
        yield from ast.parse(path.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return  # importing it says what is wrong, and where


def _callee(statement: ast.stmt) -> str | None:
    """Return what a statement calls first of all, by name."""
    value = getattr(statement, "value", None)
    return ast.unparse(value.func) if isinstance(value, ast.Call) else None


def _is_call(statement: ast.stmt) -> bool:
    """Say whether a statement calls something for the sake of its effect alone."""
    return isinstance(statement, ast.Expr) and _callee(statement) is not None


def _told(statement: ast.stmt) -> str:
    name = _callee(statement)
    return f"line {statement.lineno} " + (f"calls {name}()" if name else "runs when it is imported")
