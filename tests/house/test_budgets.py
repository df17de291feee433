"""The budgets of the code. Complexity is ruff's (C901).

A module that needs more says why at its head, in a comment or in its docstring, one line for each budget:

    # over budget: module: the statements of one schema belong together
    # over budget: Job.__init_subclass__: one keyword for each setting, so that type checkers know them all

The name is `module` or the qualified name of a function or class.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.root import PACKAGE, ROOT

MODULE_LINES = 300
FUNCTION_LINES = 30
PUBLIC_METHODS = 12
POSITIONAL_PARAMETERS = 5

# What users hold in their hands is wide on purpose: one object to learn.
FACES = {"Job", "AsyncQ", "QueueFake"}

EXEMPTION = re.compile(r"^\s*(?:#\s*)?over budget: (?P<name>[\w.]+): (?P<reason>\S.{9,})$", re.MULTILINE)

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Offence:
    path: str
    line: int
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.name} {self.what}"


def offences(path: str, source: str) -> Iterator[Offence]:
    """Every budget that is broken without a reason, and every reason that is no longer needed."""
    tree = ast.parse(source)
    excused = {match["name"] for match in EXEMPTION.finditer(_head(tree, source))}
    broken = [Offence(path, line, name, what) for line, name, what in _measure(tree, source)]
    yield from (offence for offence in broken if offence.name not in excused)
    for name in sorted(excused - {offence.name for offence in broken}):
        yield Offence(path, 1, name, "is within its budget: remove the `over budget` line")


def _head(tree: ast.Module, source: str) -> str:
    """All above the first statement that is not the docstring."""
    body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    lines = source.splitlines()
    return "\n".join(lines[: body[0].lineno - 1] if body else lines)


def _measure(tree: ast.Module, source: str) -> Iterator[tuple[int, str, str]]:
    lines = len(source.splitlines())
    if lines > MODULE_LINES:
        yield 1, "module", f"has {lines} lines, more than {MODULE_LINES}"
    yield from _measure_body(tree, prefix="", in_class=False)


def _measure_body(node: ast.AST, *, prefix: str, in_class: bool) -> Iterator[tuple[int, str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            name = prefix + child.name
            yield from _measure_function(child, name, in_class=in_class)
            yield from _measure_body(child, prefix=f"{name}.", in_class=False)
        elif isinstance(child, ast.ClassDef):
            name = prefix + child.name
            yield from _measure_class(child, name)
            yield from _measure_body(child, prefix=f"{name}.", in_class=True)
        else:
            # An `if` or `try` around a definition changes neither its name nor its class.
            yield from _measure_body(child, prefix=prefix, in_class=in_class)


def _measure_function(node: Function, name: str, *, in_class: bool) -> Iterator[tuple[int, str, str]]:
    lines = (node.end_lineno or node.lineno) - node.lineno + 1 - _docstring_lines(node)
    if lines > FUNCTION_LINES:
        yield node.lineno, name, f"has {lines} lines, more than {FUNCTION_LINES}"
    positional = len(node.args.posonlyargs) + len(node.args.args)
    if in_class and "staticmethod" not in _decorators(node):
        positional -= 1
    if positional > POSITIONAL_PARAMETERS:
        yield node.lineno, name, f"has {positional} positional parameters, more than {POSITIONAL_PARAMETERS}"


def _measure_class(node: ast.ClassDef, name: str) -> Iterator[tuple[int, str, str]]:
    # A set: the overloads of a method are one method. A property is an attribute.
    methods = {
        child.name
        for child in node.body
        if isinstance(child, FUNCTIONS)
        and not child.name.startswith("_")
        and not _decorators(child) & {"property", "cached_property", "setter"}
    }
    if len(methods) > PUBLIC_METHODS and name not in FACES:
        yield node.lineno, name, f"has {len(methods)} public methods, more than {PUBLIC_METHODS}"


def _docstring_lines(node: Function) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    docstring = node.body[0]
    return (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1


def _decorators(node: Function) -> set[str]:
    """The last part of each decorator's name: `functools.cached_property` is `cached_property`."""
    names: set[str] = set()
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(target, ast.Attribute):
            names.add(target.attr)
        elif isinstance(target, ast.Name):
            names.add(target.id)
    return names


def test_every_module_keeps_its_budgets() -> None:
    paths = sorted(PACKAGE.rglob("*.py"))
    assert paths, "the package has no modules: this test looks in the wrong place"
    found = [offence for path in paths for offence in offences(_relative(path), path.read_text())]
    assert not found, "\n" + "\n".join(map(str, found))


def _relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


LONG = "\n".join(["    pass"] * FUNCTION_LINES)
WIDE = "\n".join(f"    def method{number}(self): ..." for number in range(PUBLIC_METHODS + 1))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("\n" * MODULE_LINES + "x = 1\n", ["module"]),
        ("# over budget: module: one table, easier to read in one piece\n" + "\n" * MODULE_LINES, []),
        ('"""Doc.\n\nover budget: module: one table, easier to read in one piece\n"""\n' + "\n" * MODULE_LINES, []),
        ("# over budget: module: why\n" + "\n" * MODULE_LINES, ["module"]),
        ("# over budget: module: one table, easier to read in one piece\n", ["module"]),
        (f"def long():\n{LONG}\n", ["long"]),
        (f'def long():\n    """A\n    docstring\n    is free."""\n{LONG[9:]}\n', []),
        (f"# over budget: long: a table of cases, one line each\ndef long():\n{LONG}\n", []),
        (f"import os\n# over budget: long: a table of cases, but not at the head\ndef long():\n{LONG}\n", ["long"]),
        (f"if True:\n  class A:\n    async def long(self):\n{LONG.replace('    ', '        ')}\n", ["A.long"]),
        (f"class A:\n{WIDE}\n", ["A"]),
        (f"class Job:\n{WIDE}\n", []),
        (f"class A:\n{WIDE.replace('    def', '    @property%    def').replace('%', chr(10))}\n", []),
        ("def f(a, b, c, /, d, e, f): ...", ["f"]),
        ("def f(a, b, c, d, e, *, f, g): ...", []),
        ("class A:\n    def f(self, a, b, c, d, e): ...", []),
        ("class A:\n    @staticmethod\n    def f(a, b, c, d, e, f): ...", ["A.f"]),
    ],
)
def test_a_broken_budget_is_found(source: str, expected: list[str]) -> None:
    assert [offence.name for offence in offences("planted.py", source)] == expected
