"""What the environment and `[tool.asyncq]` of the project say, merged key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast
from urllib.parse import quote, unquote

from asyncq.config import Connection, environment, project_root
from asyncq.errors import ConfigError

__all__ = ["FAILED", "Choice", "Project", "choose", "read_project", "unknown_variables"]

FAILED: Final = "failed"
"""Name of the connection that a URL given as `failed` gets."""
DEFAULT: Final = "default"
_KEYS: Final = ("url", "connections", "app", "jobs", "failed", "default", "name")
_COMMON: Final = ("url", "lease", "retry_after", "queue", "block_for", "prefix")
_VARIABLES: Final = tuple(f"ASYNCQ_{key.upper()}" for key in _KEYS if key != "connections")
_MANY: Final = "ASYNCQ_CONNECTIONS__"


@dataclass(frozen=True, slots=True)
class Project:
    """The configuration around the code."""

    root: Path
    name: str
    app: str | None
    jobs: tuple[str, ...]
    default: str
    failed: str | None
    connections: Mapping[str, Connection]
    sources: Mapping[str, str]
    """Where each key that was set comes from: a variable, or a key of `pyproject.toml`."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The connections of one app."""

    default: str
    connections: Mapping[str, Connection]
    failed_on: str | None
    """The connection that keeps all failed jobs; None: each its own."""


@dataclass(slots=True)
class _Layer:
    """One source: plain values, and the keys of connections by their name."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    connections: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    sources: dict[str, str] = field(default_factory=dict[str, str])


def read_project(start: Path | None = None) -> Project:
    """Read the environment, then `[tool.asyncq]` of the nearest project.

    Raises:
        ConfigError: a key is unknown, a value is of the wrong kind, or a connection has no URL.
    """
    root = project_root(start)
    table = _read_table(root)
    variables = _read_variables(environment(), table)
    values = {**table.values, **variables.values}
    default = str(values.get("default", DEFAULT))
    for layer in (table, variables):
        _place_url(layer, default)
    merged = _merge(table, variables)
    sources = {**table.sources, **variables.sources}
    if default not in merged:
        merged[default] = {"url": _fallback(root, default, values, merged)}
    return Project(
        root=root,
        name=str(values.get("name", "asyncq")),
        app=values.get("app"),
        jobs=tuple(values.get("jobs", ())),
        default=default,
        failed=values.get("failed"),
        connections=MappingProxyType({name: _connection(name, keys, sources) for name, keys in merged.items()}),
        sources=MappingProxyType(sources),
    )


def choose(
    project: Project,
    *,
    url: str | Connection | None,
    connections: Mapping[str, str | Connection] | None,
    default: str | None,
    failed: str | None,
) -> Choice:
    """Decide the connections of an app: what the call says, else what the project says.

    A call that names connections names all of them: those of the project are then not opened.

    Raises:
        ConfigError: the default or the keeper of failed jobs is none of the connections.
    """
    if url is not None and connections is not None:
        raise ConfigError("AsyncQ takes one url or several connections={...}, not both")
    given = {default or DEFAULT: url} if url is not None else connections
    named: dict[str, str | Connection] = dict(project.connections if given is None else given)
    main = default or (project.default if given is None else DEFAULT)
    if main not in named:
        raise ConfigError(f"AsyncQ: default={main!r} is none of the connections {', '.join(map(repr, named))}")
    keeper = failed or project.failed
    if keeper is not None and keeper not in named:
        keeper = _add_keeper(keeper, named, project)
    ready = {name: item if isinstance(item, Connection) else Connection(item) for name, item in named.items()}
    return Choice(main, MappingProxyType(ready), keeper)


def unknown_variables() -> Iterator[str]:
    """Yield a complaint for each `ASYNCQ_…` variable that nobody reads."""
    for name in sorted(environment()):
        if name not in _VARIABLES and not name.startswith(_MANY):
            near = get_close_matches(name, _VARIABLES, 1)
            yield f"{name} is no setting" + (f"; did you mean {near[0]}?" if near else "")


def _add_keeper(keeper: str, named: dict[str, str | Connection], project: Project) -> str:
    if keeper in project.connections:
        named[keeper] = project.connections[keeper]
        return keeper
    if "://" not in keeper:
        known = ", ".join(map(repr, named))
        raise ConfigError(f"failed={keeper!r} is neither a URL nor one of the connections {known}")
    named[FAILED] = keeper
    return FAILED


def _read_table(root: Path) -> _Layer:
    file = root / "pyproject.toml"
    layer = _Layer()
    for key, value in _tool_table(file).items():
        if key not in _KEYS:
            raise ConfigError(f"{file}: [tool.asyncq] has an unknown key {key!r}{_nearest(key, _KEYS)}")
        layer.sources[key] = f"[tool.asyncq] {key}"
        if key == "connections":
            _read_connections(file, root, value, layer)
        else:
            layer.values[key] = _value(file, root, key, value)
    return layer


def _tool_table(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        return {}
    import tomllib

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("asyncq", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no valid TOML: {error}") from error
    if not isinstance(table, dict):
        raise ConfigError(f"{file}: [tool.asyncq] takes a table, not {table!r}")
    return cast("Mapping[str, Any]", table)


def _value(file: Path, root: Path, key: str, value: Any) -> Any:
    if key == "jobs":
        items = tuple(cast("Sequence[Any]", value if isinstance(value, list) else [value]))
        if all(isinstance(item, str) for item in items):
            return items
        raise ConfigError(f"{file}: [tool.asyncq] jobs takes a list of module names, not {value!r}")
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{file}: [tool.asyncq] {key} takes a text, not {value!r}")
    return _from_root(root, value) if key in {"url", "failed"} else value


def _read_connections(file: Path, root: Path, value: Any, layer: _Layer) -> None:
    if not isinstance(value, dict):
        raise ConfigError(f"{file}: [tool.asyncq] connections takes a table, not {value!r}")
    for name, given in cast("dict[str, Any]", value).items():
        table = cast("dict[str, Any]", given if isinstance(given, dict) else {"url": given})
        keys = {key: _text(f"{file}: connection {name!r}: {key}", item) for key, item in table.items()}
        for key in keys:
            if key not in _COMMON and get_close_matches(key, _COMMON, 1, 0.75):
                raise ConfigError(f"{file}: connection {name!r} has an unknown key {key!r}{_nearest(key, _COMMON)}")
            layer.sources[f"connections.{name}.{key}"] = f"[tool.asyncq.connections.{name}] {key}"
        if "url" in keys:
            keys["url"] = _from_root(root, keys["url"])
        layer.connections[name] = keys


def _text(what: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ConfigError(f"{what} takes a text or a number, not {value!r}")


def _read_variables(variables: Mapping[str, str], table: _Layer) -> _Layer:
    layer = _Layer()
    names = {_folded(name): name for name in table.connections}
    for variable, value in variables.items():
        if variable.startswith(_MANY):
            name, _, key = variable.removeprefix(_MANY).lower().rpartition("__")
            if not name or not key:
                raise ConfigError(f"{variable} names no key of a connection; write {_MANY}REPORTS__URL")
            name = names.get(_folded(name), name)
            layer.connections.setdefault(name, {})[key] = value
            layer.sources[f"connections.{name}.{key}"] = variable
        elif variable in _VARIABLES:
            key = variable.removeprefix("ASYNCQ_").lower()
            layer.values[key] = tuple(filter(None, value.replace(" ", "").split(","))) if key == "jobs" else value
            layer.sources[key] = variable
    return layer


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _place_url(layer: _Layer, default: str) -> None:
    """Treat `url` as what it is: the URL of the default connection."""
    if "url" not in layer.values:
        return
    keys = layer.connections.setdefault(default, {})
    if "url" in keys:
        one, other = layer.sources["url"], layer.sources[f"connections.{default}.url"]
        raise ConfigError(f"{one} and {other} are two names of one setting; remove one of them")
    keys["url"] = layer.values["url"]
    layer.sources[f"connections.{default}.url"] = layer.sources["url"]


def _merge(table: _Layer, variables: _Layer) -> dict[str, dict[str, str]]:
    names = dict.fromkeys([*table.connections, *variables.connections])
    return {name: {**table.connections.get(name, {}), **variables.connections.get(name, {})} for name in names}


def _fallback(root: Path, default: str, values: Mapping[str, Any], named: Mapping[str, Any]) -> str:
    if "default" in values and named:
        raise ConfigError(f"default={default!r} is none of the connections {', '.join(map(repr, named))}")
    return _file_url(root / ".asyncq" / "queue.db")


def _connection(name: str, keys: Mapping[str, str], sources: Mapping[str, str]) -> Connection:
    options = dict(keys)
    url = options.pop("url", None)
    if url is None:
        said = next((sources[key] for key in sources if key.startswith(f"connections.{name}.")), "the configuration")
        raise ConfigError(
            f"connection {name!r} has no url, only what {said} says; set {_MANY}{_folded(name).upper()}__URL "
            f"or url in [tool.asyncq.connections.{name}]"
        )
    return Connection.from_texts(url, options)


def _from_root(root: Path, url: str) -> str:
    """Make a SQLite path of `pyproject.toml` relative to that file, so that every folder below means one queue."""
    if not url.startswith("sqlite:///") or url.startswith("sqlite:////") or ":memory:" in url:
        return url
    path, mark, query = url.removeprefix("sqlite:///").partition("?")
    return _file_url(root / unquote(path)) + mark + query if path else url


def _file_url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"


def _nearest(key: str, known: tuple[str, ...]) -> str:
    near = get_close_matches(key, known, 1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(known)}"
