"""Finds a project's app and jobs without being told where they are."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from asyncq.app import AsyncQ
from asyncq.current import apps
from asyncq.errors import ConfigError
from asyncq.importing import import_module, open_path, submodules
from asyncq.layout import Layout
from asyncq.project import Project, read_project

__all__ = ["Found", "discover"]


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, and how."""

    project: Project
    app: AsyncQ
    origin: str
    """Where the app comes from."""
    jobs: tuple[str, ...] = ()
    """Modules that were imported for their jobs."""
    notes: tuple[str, ...] = ()
    """What was seen and left alone, and why."""


def discover(asked: str | None = None, *, jobs: bool = True) -> Found:
    """Find the app, and import the modules that define its jobs.

    `asked` names the app as `module:attribute`, `module` or `path.py`. With `jobs=False` modules are imported for
    their jobs only where there is no other way to find the app.

    Raises:
        ConfigError: something that was named does not exist, or a module cannot be imported.
    """
    project = read_project()
    bases = [folder for folder in (project.root, project.root / "src") if folder.is_dir()]
    open_path(bases)
    layout = Layout(project.root, bases)
    found = _named_app(project, asked) or _first_app(project, layout)
    if found is None:
        modules = _import_jobs(project, (), layout)
        return _app_of_jobs(project, modules, layout)
    if not jobs:
        return replace(found, notes=tuple(layout.notes))
    modules = _import_jobs(project, found.app.jobs, layout)
    return replace(found, jobs=modules, notes=tuple(layout.notes))


def _named_app(project: Project, asked: str | None) -> Found | None:
    text = asked or project.app
    if text is None:
        return None
    said = "--app" if asked else project.sources["app"]
    name, _, attribute = _as_module(project.root, text).partition(":")
    if "" in name.split("."):
        raise ConfigError(f"{said}={text!r} names no module; write module:attribute, module, or path.py")
    module = import_module(name, what=f"the app of {said}")
    if not attribute:
        attribute, app = _app_in(module) or _no_app(said, text)
    else:
        app = _attribute(module, attribute, f"{said}={text}")
    return Found(project, app, f"{attribute} in {name}, named by {said}")


def _as_module(root: Path, text: str) -> str:
    """Turn `shop/queues.py:queue` into `shop.queues:queue`."""
    path, colon, attribute = text.partition(":")
    if not path.endswith(".py"):
        return text
    parts = Path(os.path.relpath(Path(path).resolve(), root)).with_suffix("").parts
    return ".".join(parts[parts[0] == "src" :]) + colon + attribute


def _attribute(module: ModuleType, path: str, said: str) -> AsyncQ:
    value: Any = module
    for part in path.split("."):
        if not hasattr(value, part):
            raise ConfigError(f"{said}: {module.__name__} has no {path!r}{_offer(module)}")
        value = getattr(value, part)
    if not isinstance(value, AsyncQ):
        raise ConfigError(f"{said}: {path!r} is a {type(value).__name__}, not an AsyncQ{_offer(module)}")
    return value


def _offer(module: ModuleType) -> str:
    there = _app_in(module)
    return f"; write {module.__name__}:{there[0]}" if there else "; there is no AsyncQ object in that module"


def _no_app(said: str, text: str) -> tuple[str, AsyncQ]:
    raise ConfigError(f"{said}={text}: no AsyncQ object is in that module; write module:attribute of the one you mean")


def _app_in(module: ModuleType) -> tuple[str, AsyncQ] | None:
    return next(((name, value) for name, value in vars(module).items() if isinstance(value, AsyncQ)), None)


def _first_app(project: Project, layout: Layout) -> Found | None:
    for source in layout.importable(layout.app_files()):
        module = import_module(source.module, what="the app's module", expected=source.path)
        there = _app_in(module)
        if there is not None:
            place = source.path.relative_to(project.root)
            return Found(project, there[1], f"{there[0]} in {source.module} ({place})")
    return None


def _app_of_jobs(project: Project, modules: tuple[str, ...], layout: Layout) -> Found:
    """Take the app that the job modules have built on their way, else make one from the configuration."""
    built = [cast(AsyncQ, app) for app in apps.built]
    notes = tuple(layout.notes)
    if len(built) > 1:
        names = ", ".join(sorted(_origin(app) for app in built))
        raise ConfigError(f"several AsyncQ apps were built: {names}; say which one with --app or [tool.asyncq] app")
    if built:
        return Found(project, built[0], _origin(built[0]), _with_own_jobs(built[0], modules), notes)
    return Found(project, AsyncQ(), "made from the configuration: no AsyncQ object was found", modules, notes)


def _origin(app: AsyncQ) -> str:
    for name, module in list(sys.modules.items()):
        if name.startswith("asyncq"):
            continue
        # What stands in sys.modules need not be a module.
        there = next((key for key, value in getattr(module, "__dict__", {}).items() if value is app), None)
        if there is not None:
            return f"{there} in {name}"
    return repr(app)


def _with_own_jobs(app: AsyncQ, modules: tuple[str, ...]) -> tuple[str, ...]:
    return (*modules, *_import_named([name for name in app.jobs if name not in modules], "jobs=[...] of the app"))


def _import_jobs(project: Project, own: tuple[str, ...], layout: Layout) -> tuple[str, ...]:
    """Import the modules that were named; where none was, those that are called as one would expect."""
    named = [
        *_import_named(project.jobs, project.sources.get("jobs", "")),
        *_import_named(own, "jobs=[...] of the app"),
    ]
    if named:
        return tuple(dict.fromkeys(named))
    found: list[str] = []
    for source in layout.importable(layout.job_files()):
        import_module(source.module, what="job module", expected=source.path)
        found.append(source.module)
    return (*found, *_import_scripts(layout, found))


def _import_scripts(layout: Layout, known: Sequence[str]) -> list[str]:
    """Import the scripts that define jobs: a job of `producer.py` is `producer:SendMail` also when that was `__main__`.

    One that fails is noted: it is not by its name that it would have to be there.
    """
    found: list[str] = []
    failed = False
    for source in layout.scripts(known):
        try:
            import_module(source.module, what="script", expected=source.path)
            found.append(source.module)
        except ConfigError as error:
            layout.notes.append(str(error))
            failed = True
    if failed:
        gc.collect()  # half a module has left classes behind, which would be taken for jobs
    return found


def _import_named(names: Iterable[str], said: str) -> list[str]:
    imported: list[str] = []
    for name in names:
        module = import_module(name, what=f"job module of {said}")
        inside = list(submodules(module))
        for item in inside:
            import_module(item, what=f"job module of {said}")
        imported += [name, *inside]
    return imported
