"""Imports modules of a project, and tells in one error what went wrong in which line."""

from __future__ import annotations

import importlib
import os
import site
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Final

from asyncq.errors import ConfigError

__all__ = ["import_module", "open_path", "shadows", "submodules"]

_OURS: Final = str(Path(__file__).parent) + os.sep
_PYTHON: Final = str(Path(os.__file__).parent) + os.sep


def open_path(folders: Iterable[Path]) -> None:
    """Put the folders on the import path: behind the standard library, which they cannot shadow, before the rest."""
    texts = [str(folder) for folder in folders]
    sys.path[:] = [item for item in sys.path if item not in texts]
    installed = {str(Path(item)) for item in (*site.getsitepackages(), site.getusersitepackages())}
    first = next((place for place, item in enumerate(sys.path) if item in installed), len(sys.path))
    sys.path[first:first] = texts
    importlib.invalidate_caches()


def shadows(module: str) -> bool:
    """Say whether a module's name belongs to the standard library."""
    return module.partition(".")[0] in sys.stdlib_module_names


def import_module(name: str, *, what: str, expected: Path | None = None) -> ModuleType:
    """Import a module; `what` says whose it is, `expected` which file it has to come from.

    Raises:
        ConfigError: it is not there, it failed, or another file has its name.
    """
    try:
        module = importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise _failure(name, what, error) from error
    file = getattr(module, "__file__", None)
    if expected is not None and file is not None and Path(file).resolve() != expected.resolve():
        raise ConfigError(
            f"{what} {name!r} was to come from {expected}, but Python found {file} under that name; rename one of them"
        )
    return module


def submodules(module: ModuleType) -> Iterator[str]:
    """Yield the names of the modules inside a package, to any depth; nothing for a plain module."""
    for path in map(Path, getattr(module, "__path__", ())):
        for file in sorted(path.rglob("*.py")):
            parts = file.relative_to(path).with_suffix("").parts
            if parts[-1] != "__init__" and not any(part.startswith((".", "test")) for part in parts):
                yield ".".join((module.__name__, *parts))


def _failure(name: str, what: str, error: BaseException) -> ConfigError:
    if isinstance(error, ModuleNotFoundError) and error.name is not None and _is_part(error.name, name):
        return ConfigError(
            f"{what} {name!r} does not exist: no module is called {error.name!r}; "
            "the name is the one of an import statement, seen from the project's root or its src/"
        )
    if isinstance(error, SystemExit):
        hint = 'put what runs the program under `if __name__ == "__main__":`'
        return ConfigError(f"{what} {name!r} ended the program while it was imported ({_place(error)}); {hint}")
    hint = "install it in this environment" if isinstance(error, ModuleNotFoundError) else "correct it there"
    return ConfigError(f"{what} {name!r} cannot be imported: {type(error).__name__}: {error} ({_place(error)}); {hint}")


def _is_part(missing: str, name: str) -> bool:
    return name == missing or name.startswith(f"{missing}.")


def _place(error: BaseException) -> str:
    """Return file and line: of a mistake in syntax itself, else the innermost line of the project's own code."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not file.startswith("<frozen") and file not in {__file__, importlib.__file__}:
            places.append(f"{file}, line {trace.tb_lineno}")
        trace = trace.tb_next
    return next(filter(_is_own, reversed(places)), "".join(places[-1:])) or "?"


def _is_own(place: str) -> bool:
    return "site-packages" not in place and not place.startswith((_OURS, _PYTHON))
