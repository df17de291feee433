"""Definitions written as Markdown."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence

from tests.support.reference.source import FUNCTIONS, Attribute, Definition, Function, attributes, constructor, methods

WIDTH = 110
SECTION = re.compile(r"^(Raises|Returns|Yields):$")


def written(definition: Definition) -> str:
    """Return the section of one name."""
    if not definition.nodes:
        return f"## {definition.name}\n\nA module with a page of its own: [{definition.name}]({definition.name}.md)."
    node = definition.nodes[-1]
    if isinstance(node, ast.ClassDef):
        return "\n\n".join(_class(definition, node))
    if isinstance(node, FUNCTIONS):
        return "\n\n".join([f"## {definition.name}", *_function(list(_functions(definition)))])
    return "\n\n".join([f"## {definition.name}", _code(ast.unparse(node)), prose(definition.doc)]).rstrip()


def _functions(definition: Definition) -> Iterator[Function]:
    for node in definition.nodes:
        assert isinstance(node, FUNCTIONS)
        yield node


def _class(definition: Definition, node: ast.ClassDef) -> Iterator[str]:
    yield f"## {definition.name}"
    made = constructor(definition)
    if made is not None:
        yield _code(f"class {definition.name}:\n{textwrap.indent(_signature(made, 'def __init__'), '    ')}")
    if definition.doc:
        yield prose(definition.doc)
    fields = attributes(definition)
    if fields:
        yield "\n".join(_field(field) for field in fields)
    for name, overloads in methods(definition).items():
        yield f"### {definition.name}.{name}"
        yield from _function(overloads, own=True)


def _field(field: Attribute) -> str:
    default = "" if field.default is None else f" = {field.default}"
    doc = f": {_joined(field.doc)}" if field.doc else ""
    return f"- `{field.name}: {field.type}{default}`{doc}"


def _function(nodes: Sequence[Function], *, own: bool = False) -> Iterator[str]:
    """Write the overloads of a function where it has some, and what its implementation says."""
    overloads = [node for node in nodes if "overload" in map(ast.unparse, node.decorator_list)]
    heads = [_signature(node, _keyword(node) + node.name, own=own) for node in overloads or nodes]
    yield _code("\n".join(heads))
    doc = ast.get_docstring(nodes[-1])
    if doc:
        yield prose(doc)


def _keyword(node: Function) -> str:
    return "async def " if isinstance(node, ast.AsyncFunctionDef) else "def "


def _signature(node: Function, head: str, *, own: bool = False) -> str:
    """Return the first line of a definition, or one line for each parameter where that would be too long."""
    parameters = list(_parameters(node.args, without_self=own))
    returns = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    line = f"{head}({', '.join(parameters)}){returns}: ..."
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{head}(", *(f"    {item}," for item in parameters), f"){returns}: ..."])


def _parameters(given: ast.arguments, *, without_self: bool) -> Iterator[str]:
    """Yield parameters as they are written; `self` goes, unless its annotation tells something."""
    positional = [*given.posonlyargs, *given.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    skip = without_self and positional[0].annotation is None
    for place, (item, default) in enumerate(zip(positional, defaults, strict=True), 1):
        if not (skip and place == 1):
            yield _parameter(item, default)
        if place == len(given.posonlyargs) > skip:
            yield "/"
    if given.vararg:
        yield f"*{_parameter(given.vararg, None)}"
    elif given.kwonlyargs:
        yield "*"
    for item, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _parameter(item, default)
    if given.kwarg:
        yield f"**{_parameter(given.kwarg, None)}"


def _parameter(item: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(item.annotation)}" if item.annotation else ""
    if default is None:
        return item.arg + annotation
    return f"{item.arg}{annotation}{' = ' if annotation else '='}{_shown(default)}"


def _shown(default: ast.expr) -> str:
    """Return a default; a private name would tell the reader nothing."""
    text = ast.unparse(default)
    return "..." if text.startswith("_") else text


def _code(text: str) -> str:
    return f"```python no-run\n{text}\n```"


def prose(doc: str) -> str:
    """Return a docstring as Markdown: lines joined to paragraphs, what is indented below `Raises:` as a list."""
    parts: list[str] = []
    if not doc:
        return ""
    for part in textwrap.dedent(doc).strip().split("\n\n"):
        head, *rest = part.splitlines()
        if SECTION.match(head):
            parts.append(f"{head}\n\n{_listed(textwrap.dedent(chr(10).join(rest)))}")
        elif not rest or not all(line.startswith("    ") for line in rest):
            parts.append(_joined(part))
        else:
            parts.append(part)
    return "\n\n".join(parts)


def _listed(text: str) -> str:
    entries: list[str] = []
    for line in text.splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        else:
            names, colon, told = line.partition(":")
            entries.append(f"- `{names}`{colon}{told}" if colon else f"- {line}")
    return "\n".join(entries)


def _joined(text: str) -> str:
    return " ".join(text.split())
