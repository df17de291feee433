"""The committed reference is what the code says, and the guide's tables name every setting."""

from __future__ import annotations

import ast
import re

import pytest

import asyncq
from asyncq import events
from asyncq.settings import DispatchOptions, JobSettings
from tests.support.reference.pages import pages
from tests.support.reference.source import Definition
from tests.support.reference.write import prose, written
from tests.support.root import ROOT

FOLDER = ROOT / "docs" / "reference"
GUIDE = ROOT / "docs" / "guide"


def test_the_committed_reference_is_what_the_code_says() -> None:
    committed = {path.name: path.read_text() for path in FOLDER.glob("*.md")}
    made = pages()
    assert sorted(committed) == sorted(made), "write the reference anew: make docs"
    differ = [name for name, text in made.items() if committed[name] != text]
    assert not differ, "the code says something else now; write the reference anew: make docs"


def test_every_public_name_has_its_section() -> None:
    sections = re.findall(r"^## (\w+)$", pages()["asyncq.md"], re.MULTILINE)
    assert sections == sorted(asyncq.__all__)


def of(source: str) -> str:
    """Write the first statement of a source."""
    node = ast.parse(source).body[0]
    assert isinstance(node, (ast.FunctionDef, ast.ClassDef))
    return written(Definition(node.name, "asyncq.job", (node,), ast.get_docstring(node) or ""))


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("def f(a, b: int = 3, /, *c: str, d, e=None, **g: Any) -> None: ...", None),
        ("def f(*, a: int) -> list[str]: ...", None),
        ("class A:\n  def m(self, a, /): ...", "def m(a, /): ..."),
        ("class A:\n  def m(self, /): ...", "def m(): ..."),
        ("class A:\n  def m(self: B[R], *, a): ...", "def m(self: B[R], *, a): ..."),
        ("class A:\n  async def m(self): ...", "async def m(): ..."),
        ("class A:\n  def __init__(self, a=_UNSET): ...", "    def __init__(self, a=...): ..."),
        ("class A:\n  x: int = 1\n  'What it is.'", "- `x: int = 1`: What it is."),
        ("class A:\n  @property\n  def x(self) -> int:\n    'What it is.'", "- `x: int`: What it is."),
    ],
)
def test_a_definition_is_written_as_its_user_needs_it(source: str, line: str | None) -> None:
    assert (line or source) in of(source).splitlines()


@pytest.mark.parametrize("source", ["class A:\n  def _m(self): ...", "class A:\n  x_: int = 1", "class A:\n  _x: int"])
def test_what_is_private_is_left_out(source: str) -> None:
    assert of(source) == "## A"


def test_what_a_docstring_says_of_errors_is_a_list() -> None:
    doc = "Do it\nwell.\n\nRaises:\n    ConfigError: it\n        cannot.\n    TypeError: no."
    assert prose(doc) == "Do it well.\n\nRaises:\n\n- `ConfigError`: it cannot.\n- `TypeError`: no."


def named_in_tables(page: str) -> set[str]:
    """Return what stands in code at the beginning of the rows of a page's tables."""
    rows = re.findall(r"^\| (`[^|]*`)", (GUIDE / page).read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_guide_explains_every_setting_of_a_job() -> None:
    assert set(JobSettings.__dataclass_fields__) - named_in_tables("jobs.md") == set()


def test_the_guide_explains_every_option_of_a_dispatch() -> None:
    assert set(DispatchOptions.__annotations__) - named_in_tables("dispatching.md") == set()


def test_the_guide_names_every_event() -> None:
    bases = {"Event", "WorkerEvent"}
    assert set(events.__all__) - bases - named_in_tables("events.md") == set()
