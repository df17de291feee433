"""`asyncq about`: what was found, where, and which setting came from where."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from asyncq.app import AsyncQ
from asyncq.choice import CALL
from asyncq.cli.output import Row, write_json, write_pairs, write_rows
from asyncq.cli.places import queues_to_read
from asyncq.config import COMMON, mask
from asyncq.discovery import Found, discover
from asyncq.job import Job
from asyncq.project import STORES

__all__ = ["explain", "versions"]

LIBRARIES: Final = ("anyio", "orjson", "pydantic", "typer")
_DEFAULT: Final = "default"
OPTIONAL: Final = ("redis", "asyncpg", "aioboto3", "uvloop", "watchfiles")


def explain(asked: str | None, *, as_json: bool) -> None:
    """Write all that discovery and configuration decided."""
    facts = _facts(discover(asked))
    if as_json:
        write_json(facts)
        return
    lists = ("connections", "settings", "jobs")
    write_pairs({key: value for key, value in facts.items() if key not in (*lists, "notes")}, as_json=False)
    for key in lists:
        rows: Sequence[Row] = facts[key]
        print(f"\n{key}:")
        write_rows(rows, list(rows[0]) if rows else [], as_json=False, empty="  none")
    for note in facts["notes"]:
        print(f"\nnote: {note}")


def versions() -> Mapping[str, str]:
    """Return the versions of asyncq and of the libraries below it, as far as they are installed."""
    found = {"asyncq": _version("asyncq") or "not installed as a package"}
    for name in (*LIBRARIES, *OPTIONAL):
        there = _version(name)
        if there is not None:
            found[name] = there
    return found


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _facts(found: Found) -> dict[str, Any]:
    app, project = found.app, found.project
    types = {cls: name for name, cls in app.registry.load().items() if name not in cls.settings_.aliases}
    return {
        "asyncq": versions()["asyncq"],
        "python": platform.python_version(),
        "project": str(project.root),
        "name": app.name,
        "app": found.origin,
        "job_modules": list(found.jobs),
        "default": app.default,
        "failed_jobs": app.stores.get("failed") or "each connection keeps its own",
        "queues": list(queues_to_read(app, app.default)),
        "libraries": ", ".join(f"{name} {number}" for name, number in versions().items()),
        "connections": [_connection(app, name) for name in app.connections],
        "settings": [*_settings(found), *_settings_of_connections(app)],
        "jobs": [_job(cls, name, app) for cls, name in sorted(types.items(), key=lambda item: item[1])],
        "notes": list(found.notes),
    }


def _settings(found: Found) -> Iterator[Row]:
    app, project = found.app, found.project
    values = {"name": app.name, "default": app.default, "app": project.app, "jobs": [*project.jobs, *app.jobs]}
    for key, value in {**values, **{store: app.stores.get(store) for store in STORES}}.items():
        yield {"setting": key, "value": value or None, "from": app.sources.get(key, _DEFAULT)}


def _settings_of_connections(app: AsyncQ) -> Iterator[Row]:
    for name, connection in app.connections.items():
        settings = connection.settings(name)
        common: dict[str, Any] = {key: getattr(settings, key) for key in COMMON if key != "retry_after"}
        for key, value in {"url": mask(connection.url), **common, **settings.options}.items():
            source = settings.sources.get(key) or (_source_of_url(app, name) if key == "url" else _DEFAULT)
            shown = "(hidden)" if "password" in key else value
            yield {"setting": f"connections.{name}.{key}", "value": shown, "from": source}


def _source_of_url(app: AsyncQ, name: str) -> str:
    """Say where the URL of a connection comes from that has none of its own: from the call, or as that of a store."""
    if name in app.stores.values() and name in STORES:
        return app.sources.get(name, _DEFAULT)
    called = CALL in {app.sources.get("url"), app.sources.get("connections")}
    return CALL if called else _DEFAULT


def _connection(app: AsyncQ, name: str) -> Row:
    connection = app.connections[name]
    settings = connection.settings(name)
    return {"connection": name, "url": mask(connection.url), "queue": settings.queue, "lease": settings.lease}


def _job(cls: type[Job], name: str, app: AsyncQ) -> Row:
    settings = cls.settings_
    return {
        "job": name,
        "connection": settings.connection or app.default,
        "queue": settings.queue,
        "tries": settings.tries,
        "timeout": settings.timeout,
        "aliases": list(settings.aliases),
    }
