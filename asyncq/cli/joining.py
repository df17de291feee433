"""Puts what a new module defines at the end of a module that is there."""

from __future__ import annotations

import ast
from collections.abc import Iterator

__all__ = ["defined_in", "joined"]


def defined_in(text: str) -> set[str]:
    """Return the names of the classes and functions of a module.

    Raises:
        SyntaxError: it is no Python.
    """
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.parse(text).body if isinstance(node, kinds)}


def joined(there: str, new: str) -> str:
    """Return the module with what the new one defines behind its end, and the imports that it lacks behind its own.

    The new one's docstring is left out, and so is a `from __future__`, which is the business of the older module.
    """
    lines = there.splitlines()
    place = _end_of_imports(ast.parse(there))
    missing = list(_missing(ast.parse(there), ast.parse(new)))
    if missing and place and not lines[place - 1].startswith(("import", "from", ")")):
        missing.insert(0, "")
    if missing and not place and lines:
        missing += ["", ""]
    return "\n".join([*lines[:place], *missing, *lines[place:], "", "", *_body(new)]) + "\n"


def _end_of_imports(tree: ast.Module) -> int:
    """Return the last line of the imports; without any, that of the docstring."""
    heads = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    if not heads and ast.get_docstring(tree, clean=False) is not None:
        return tree.body[0].end_lineno or 0
    return max((node.end_lineno or 0 for node in heads), default=0)


def _missing(there: ast.Module, new: ast.Module) -> Iterator[str]:
    known = set(_imported(there))
    for node in new.body:
        if isinstance(node, ast.Import):
            yield from (f"import {text}" for text in map(ast.unparse, node.names) if ("", text) not in known)
        elif isinstance(node, ast.ImportFrom) and node.module != "__future__":
            source = "." * node.level + (node.module or "")
            names = [text for text in map(ast.unparse, node.names) if (source, text) not in known]
            if names:
                yield f"from {source} import {', '.join(names)}"


def _imported(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield what a module imports, with the module that it comes from."""
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            source = "." * node.level + (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            yield from ((source, ast.unparse(name)) for name in node.names)


def _body(text: str) -> list[str]:
    """Return the lines from the first definition on."""
    tree = ast.parse(text)
    head = (ast.Import, ast.ImportFrom)
    body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    first = next((node for node in body if not isinstance(node, head)), None)
    if first is None:
        return []
    decorators = [node.lineno for node in getattr(first, "decorator_list", [])]
    return text.rstrip().splitlines()[min([first.lineno, *decorators]) - 1 :]
