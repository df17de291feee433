"""`asyncq make`: writes a job, a middleware or a test of the project from a template."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from keyword import iskeyword
from pathlib import Path
from typing import Any, Final

from asyncq.cli.failures import UsageError
from asyncq.cli.joining import defined_in, joined
from asyncq.cli.output import say, write_json
from asyncq.cli.placing import Target, job_target, middleware_target, test_target
from asyncq.cli.sending import job_called
from asyncq.cli.templating import FOLDER, publish, render
from asyncq.config import project_root
from asyncq.discovery import Found, discover
from asyncq.errors import AsyncqError
from asyncq.function import FunctionJob
from asyncq.job import Job
from asyncq.shape import fields_of

__all__ = ["AlreadyThere", "make", "publish_templates"]

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_EXAMPLES: Final = {
    "str": '"text"', "int": "1", "float": "1.0", "bool": "True", "bytes": 'b"bytes"', "list": "[]", "dict": "{}",
    "set": "set()", "tuple": "()",
}  # fmt: skip


class AlreadyThere(AsyncqError):
    """The file is there already."""


def make(asked: str | None, kind: str, name: str, *, sync: bool, force: bool, as_json: bool) -> int:
    """Write a file, or add to the one module that has all of its kind.

    Raises:
        UsageError: the name cannot be one.
        AlreadyThere: it is there, and nobody said `force`.
    """
    found = discover(asked)
    root = found.project.root
    if kind == "test":
        words, target = _test(found, name)
    else:
        class_name = _class_name(name)
        snake = _snake(class_name)
        words = {"name": class_name, "snake": snake, "define": "def" if sync else "async def"}
        target = (job_target if kind == "job" else middleware_target)(found, snake)
    _write(target, render(root, kind, words), words["name"], force=force)
    path = str(target.path.relative_to(root))
    if as_json:
        write_json({"kind": kind, "name": words["name"], "path": path, "joined": target.joins})
        return 0
    print(path)
    say(_next_step(kind, words, path, joins=target.joins))
    return 0


def publish_templates(kind: str | None, *, force: bool, as_json: bool) -> int:
    """Copy the templates into the project, where they can be changed."""
    root = project_root()
    written = publish(root, kind, force=force)
    rows = [{"path": str(file.relative_to(root)), "written": is_new} for file, is_new in written]
    if as_json:
        write_json(rows)
        return 0
    for row in rows:
        if row["written"]:
            print(row["path"])
        else:
            say(f"{row['path']} is there already, and was left as it is; --force replaces it")
    say(f"`asyncq make` takes what is in {FOLDER}; keep it in your repository")
    return 0


# --- names -----------------------------------------------------------------------------------------------------------


def _class_name(text: str) -> str:
    """Make `SendMail` of `send_mail`, `send-mail` or itself."""
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[_-]", text))
    if not name.isidentifier() or iskeyword(name):
        raise UsageError(f"{text!r} cannot be the name of a class; write for example SendMail, and no path before it")
    return name


def _snake(name: str) -> str:
    return _WORDS.sub("_", name).lower()


def _test(found: Found, name: str) -> tuple[Mapping[str, str], Target]:
    """Return what the test of a job has to know, and its place."""
    cls = job_called(found.app.registry.load(), name)
    path = cls.function_.__qualname__ if issubclass(cls, FunctionJob) else cls.__qualname__
    if "<locals>" in path:
        raise UsageError(f"{path} is defined inside a function, where no test can import it")
    short = path.rpartition(".")[2]
    connection = cls.settings_.connection
    words = {
        "name": short,
        "snake": _snake(short),
        "module": cls.__module__,
        "top": path.partition(".")[0],
        "call": f"{path}{'.bind' if issubclass(cls, FunctionJob) else ''}({_arguments(cls)})",
        "default": f", default={connection!r}" if connection else "",
    }
    return words, test_target(found, words["snake"])


def _arguments(cls: type[Job]) -> str:
    required = [
        item
        for item in fields_of(cls)
        if item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    ]
    return ", ".join(f"{item.name}={_example(item.type)}" for item in required)


def _example(hint: Any) -> str:
    """Return a value of a plain type; `...` has to be filled in by a person."""
    text = hint if isinstance(hint, str) else getattr(hint, "__name__", str(hint))
    return _EXAMPLES.get(text.partition("[")[0], "None" if "None" in text else "...")


# --- files -----------------------------------------------------------------------------------------------------------


def _write(target: Target, text: str, name: str, *, force: bool) -> None:
    path = target.path
    if target.joins:
        path.write_text(_joined(path, text, name), encoding="utf-8")
        return
    if path.exists() and not force:
        raise AlreadyThere(f"{path} is there already; --force replaces it")
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True)
        (path.parent / "__init__.py").touch()
    path.write_text(text, encoding="utf-8")


def _joined(path: Path, text: str, name: str) -> str:
    there = path.read_text(encoding="utf-8")
    if name in defined_in(there):
        raise AlreadyThere(f"{path} defines {name} already; take that out of it, or choose another name")
    return joined(there, text)


def _next_step(kind: str, words: Mapping[str, str], path: str, *, joins: bool) -> str:
    name = words["name"]
    where = f"{name} was added to {path}" if joins else f"{path} was written"
    match kind:
        case "job":
            return f"{where}; dispatch it with `await {name}(…).dispatch()`, or `asyncq dispatch {name} '{{…}}'`"
        case "middleware":
            return f"{where}; use it with `class SendMail(Job, middleware=[{name}()])`"
        case _:
            hint = "fill in the arguments that are `...`, and run it" if "..." in words["call"] else "run it"
            return f"{where}; {hint} with `python -m pytest {path}`"
