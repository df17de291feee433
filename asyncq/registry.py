"""Names on the wire: from a job's class to its name, and from a name to the class that a worker may run."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from asyncq.config import project_root
from asyncq.errors import ConfigError, UnknownJob
from asyncq.function import FunctionJob
from asyncq.job import Job

__all__ = ["Registry", "job_types", "name_of", "way_out"]


def name_of(cls: type[Job]) -> str:
    """Return the name that a job's class has on the wire: its `name=`, else `module:QualName`."""
    return cls.settings_.name or f"{_module(cls)}:{cls.__qualname__}"


def _module(cls: type[Job]) -> str:
    """Return a module name under which a worker finds the class; `__main__` has another name there."""
    if cls.__module__ != "__main__":
        return cls.__module__
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return _module_of_path(Path(file)) if file else "__main__"


def _module_of_path(path: Path) -> str:
    path, root = path.resolve(), project_root()
    for base in (root / "src", root):
        if path.is_relative_to(base):
            return ".".join(path.relative_to(base).with_suffix("").parts)
    return path.stem


def job_types() -> Iterator[type[Job]]:
    """Yield every concrete job class that was imported so far; of the children of one class the older come first."""
    todo: list[type[Job]] = [Job]
    while todo:
        cls = todo.pop()
        todo.extend(reversed(cls.__subclasses__()))
        if not cls.abstract_:
            yield cls


class Registry:
    """The classes that payloads may name. A payload's text never reaches an import."""

    def __init__(self) -> None:
        self._types: dict[str, type[Job]] = {}
        """Those that were asked for: a class that nobody uses must not live on for having been seen here."""
        self._names: dict[type[Job], str] = {}

    def name(self, cls: type[Job]) -> str:
        """Return the class's name on the wire."""
        found = self._names.get(cls)
        if found is None:
            found = self._names[cls] = name_of(cls)
            self._types = {}  # a class that came after the last look may be a redefinition: look again
        return found

    def find(self, name: str) -> type[Job]:
        """Return the class of a name or an alias.

        Raises:
            UnknownJob: no imported class has it.
        """
        found = self._types.get(name)
        if found is None:
            found = self.load().get(name)
            if found is None:
                raise UnknownJob(f"no imported job is called {name!r}; {way_out(name)}")
            self._types[name] = found
        return found

    def load(self) -> Mapping[str, type[Job]]:
        """Read all imported classes anew and return them by name.

        Raises:
            ConfigError: two classes have one name.
        """
        return self.check(lambda cls: None)

    def check(self, look: Callable[[type[Job]], object]) -> Mapping[str, type[Job]]:
        """Read all imported classes anew, call `look` with each, and return them by name.

        A mistake in a class that nobody holds any more is none.

        Raises:
            ConfigError: two classes have one name, or `look` refuses one.
        """
        with suppress(ConfigError):
            return _checked(look)
        gc.collect()  # a class is part of cycles: without its last user it is still found until the collector comes
        return _checked(look)


def _checked(look: Callable[[type[Job]], object]) -> Mapping[str, type[Job]]:
    types = _read()
    for cls in set(types.values()):
        look(cls)
    return types


def _read() -> dict[str, type[Job]]:
    types: dict[str, type[Job]] = {}
    for cls in job_types():
        for name in (name_of(cls), *cls.settings_.aliases):
            types[name] = cls if name not in types else _one_of(name, types[name], cls)
    return types


def way_out(name: str) -> str:
    """Say what to do about a job whose name no imported class has."""
    module, colon, place = name.partition(":")
    if module == "__main__":
        return "it was defined in an interactive session, where no worker finds it; move the class to a module"
    if "<locals>" in place:
        return "it was defined inside a function, where no worker finds it; move it to the top of its module"
    where = f"{module!r}" if colon else "its module"
    return (
        f"let the worker import {where} (jobs = [...] in [tool.asyncq] or of AsyncQ), "
        f"or add aliases=[{name!r}] to the class that took its place"
    )


def _one_of(name: str, first: type[Job], second: type[Job]) -> type[Job]:
    """Choose between two classes of one name: a redefinition replaces, anything else is a mistake."""
    if first is second:
        return first
    if "<locals>" in second.__qualname__ and _same_place(first, second):
        return second
    for cls, other in ((first, second), (second, first)):
        if _reachable(cls) and not _reachable(other) and _same_place(first, second):
            return cls
    raise ConfigError(
        f"two jobs are called {name!r}: {first.__module__}.{first.__qualname__} and "
        f"{second.__module__}.{second.__qualname__}; give one of them another name= or remove the alias"
    )


def _same_place(first: type[Job], second: type[Job]) -> bool:
    return (first.__module__, first.__qualname__) == (second.__module__, second.__qualname__)


def _reachable(cls: type[Job]) -> bool:
    """Say whether the class is what its module holds under its name now; a reload leaves older ones behind."""
    place: object = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        place = getattr(place, part, None)
    return place is cls or (issubclass(cls, FunctionJob) and getattr(place, "job_type", None) is cls)
