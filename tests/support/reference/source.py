"""Public names found in the source: where each is defined, and the statements that define it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.root import ROOT

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Definition:
    """A name and what defines it; the overloads of a function are several statements, a module has none."""

    name: str
    module: str
    nodes: tuple[ast.stmt, ...]
    doc: str


@dataclass(frozen=True, slots=True)
class Attribute:
    """A field or a property of a class."""

    name: str
    type: str
    default: str | None
    doc: str


@cache
def parse(module: str) -> ast.Module:
    """Read a module's source; nothing is imported."""
    return ast.parse(_path(module).read_text(encoding="utf-8"))


def exists(module: str) -> bool:
    """Say whether a module is there."""
    return _path(module).is_file()


def _path(module: str) -> Path:
    base = ROOT.joinpath(*module.split("."))
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def exported(module: str) -> list[str]:
    """Return the names of the module's `__all__`."""
    for node in parse(module).body:
        if isinstance(node, ast.Assign) and any(isinstance(it, ast.Name) and it.id == "__all__" for it in node.targets):
            names = ast.literal_eval(node.value)
            return sorted(names)
    raise LookupError(f"{module} has no __all__")


def find(module: str, name: str) -> Definition:
    """Find what defines a name, through the imports of the modules that pass it on.

    Raises:
        LookupError: nothing does.
    """
    tree = parse(module)
    found = [(place, node) for place, node in enumerate(tree.body) if name in _names(node)]
    if found:
        nodes = tuple(node for _, node in found)
        after = tree.body[found[-1][0] + 1 :]
        return Definition(name, module, nodes, _doc(nodes[-1], after[0] if after else None))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("asyncq."):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find(node.module, alias.name)
    if exists(f"{module}.{name}"):
        return Definition(name, module, (), ast.get_docstring(parse(f"{module}.{name}")) or "")
    raise LookupError(f"{module} has no {name}")


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _doc(node: ast.stmt, following: ast.stmt | None) -> str:
    """Return the docstring, which of an assignment is the text below it."""
    if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
        return ast.get_docstring(node) or ""
    if isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant):
        return str(following.value.value)
    return ""


def bases(definition: Definition) -> Iterator[Definition]:
    """Yield a class's bases within the package, the farthest first, then the class itself."""
    node = definition.nodes[-1]
    assert isinstance(node, ast.ClassDef)
    for base in node.bases:
        target = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(target, ast.Name):
            try:
                found = find(definition.module, target.id)
            except LookupError:
                continue  # of another library
            yield from bases(found)
    yield definition


def attributes(definition: Definition) -> list[Attribute]:
    """Return the public fields and properties of a class, inherited ones first."""
    found: dict[str, Attribute] = {}
    for cls in bases(definition):
        node = cls.nodes[-1]
        assert isinstance(node, ast.ClassDef)
        for here, following in zip(node.body, [*node.body[1:], None], strict=True):
            attribute = _attribute(here, following)
            if attribute is not None and _is_public(attribute.name):
                found[attribute.name] = attribute
    return list(found.values())


def _attribute(node: ast.stmt, following: ast.stmt | None) -> Attribute | None:
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        if "ClassVar" in ast.unparse(node.annotation):
            return None
        return Attribute(node.target.id, ast.unparse(node.annotation), _default(node.value), _doc(node, following))
    if isinstance(node, FUNCTIONS) and "property" in map(ast.unparse, node.decorator_list) and node.returns:
        return Attribute(node.name, ast.unparse(node.returns), None, ast.get_docstring(node) or "")
    return None


def _default(value: ast.expr | None) -> str | None:
    """Return what a field is if it is not given; a factory is no value to show."""
    return None if value is None or isinstance(value, ast.Call) else ast.unparse(value)


def methods(definition: Definition) -> dict[str, list[Function]]:
    """Return the public methods that the class itself defines; the overloads of one method stand together."""
    node = definition.nodes[-1]
    assert isinstance(node, ast.ClassDef)
    found: dict[str, list[Function]] = {}
    for item in node.body:
        if isinstance(item, FUNCTIONS) and _is_public(item.name) and not _is_property(item):
            found.setdefault(item.name, []).append(item)
    return found


def constructor(definition: Definition) -> Function | None:
    """Return `__init__`, where the class itself has one."""
    node = definition.nodes[-1]
    assert isinstance(node, ast.ClassDef)
    return next((item for item in node.body if isinstance(item, FUNCTIONS) and item.name == "__init__"), None)


def _is_public(name: str) -> bool:
    return not name.startswith("_") and not name.endswith("_")


def _is_property(node: Function) -> bool:
    return "property" in map(ast.unparse, node.decorator_list)
