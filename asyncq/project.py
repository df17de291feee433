"""What the environment and `[tool.asyncq]` of the project say, merged key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, cast
from urllib.parse import quote, unquote

from asyncq.config import COMMON, Connection, environment, first_name, project_root, text_of
from asyncq.errors import ConfigError
from asyncq.nearest import hint

__all__ = ["DEFAULT", "STORES", "Project", "read_project", "unknown_variables"]

DEFAULT: Final = "default"
STORES: Final = ("failed", "locks", "limits")
"""What a connection may keep for all others; a URL that is given for one becomes a connection of that name."""
_KEYS: Final = ("url", "connections", "app", "jobs", "default", "name", *STORES)
_VARIABLES: Final = tuple(f"ASYNCQ_{key.upper()}" for key in _KEYS if key != "connections")
_MANY: Final = "ASYNCQ_CONNECTIONS__"
_ALIKE: Final = 0.75
"""From this share of common letters on, an unknown variable is taken for a misspelt one of ours."""


@dataclass(frozen=True, slots=True)
class Project:
    """The configuration around the code."""

    root: Path
    name: str
    app: str | None
    jobs: tuple[str, ...]
    default: str
    stores: Mapping[str, str]
    """Who keeps what, by the names of STORES: a connection or a URL."""
    connections: Mapping[str, Connection]
    sources: Mapping[str, str]
    """Where each key that was set comes from: a variable, or a key of `pyproject.toml`."""


@dataclass(slots=True)
class _Layer:
    """One source: plain values, and the keys of connections by their name."""

    values: dict[str, Any] = field(default_factory=dict[str, Any])
    connections: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    sources: dict[str, str] = field(default_factory=dict[str, str])

    def put(self, connection: str, key: str, value: str, source: str) -> None:
        """Take over one key of a connection; `retry_after` goes by its first name."""
        keys, place = self.connections.setdefault(connection, {}), f"connections.{connection}.{first_name(key)}"
        if first_name(key) in keys:
            raise ConfigError(f"{self.sources[place]} and {source} are two names of one setting; remove one of them")
        keys[first_name(key)] = value
        self.sources[place] = source


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
    if "default" not in values or not merged:
        merged[default] = {"url": _file_url(root / ".asyncq" / "queue.db"), **merged.get(default, {})}
    elif default not in merged:
        raise ConfigError(
            f"default={default!r} ({sources['default']}) is none of the connections{hint(default, merged)}"
        )
    return Project(
        root=root,
        name=str(values.get("name", "asyncq")),
        app=values.get("app"),
        jobs=tuple(values.get("jobs", ())),
        default=default,
        stores=MappingProxyType({key: values[key] for key in STORES if key in values}),
        connections=MappingProxyType({name: _connection(name, keys, sources) for name, keys in merged.items()}),
        sources=MappingProxyType(sources),
    )


def unknown_variables() -> Iterator[str]:
    """Yield a complaint for each `ASYNCQ_…` variable that nobody reads, and that is like none that we do."""
    for name in sorted(environment()):
        if name not in _VARIABLES and not name.startswith(_MANY) and _meant(name, DEFAULT) is None:
            yield f"{name} is no setting, and nobody reads it"


def _meant(variable: str, default: str) -> str | None:
    """Return the variable that somebody meant who wrote one that is not there; None: it is like none."""
    from difflib import get_close_matches  # here, since few processes have such a variable

    word = variable.removeprefix("ASYNCQ_").lower()
    if word in COMMON:
        return f"{_MANY}{_folded(default).upper()}__{word.upper()}"
    near = get_close_matches(word, _KEYS, 1, _ALIKE)
    if word.startswith("connection") or near == ["connections"]:
        return f"{_MANY}NAME__KEY"
    return f"ASYNCQ_{near[0].upper()}" if near else None


def _read_table(root: Path) -> _Layer:
    file = root / "pyproject.toml"
    layer = _Layer()
    for key, value in _tool_table(file).items():
        if key not in _KEYS:
            raise ConfigError(f"{file}: [tool.asyncq] has an unknown key {key!r}{hint(key, _KEYS)}")
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
        tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no valid TOML: {error}; correct it there") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read ({error}); change its owner or mode") from error
    table = _table_of(f"{file}: [tool]", tool).get("asyncq", {})
    return _table_of(f"{file}: [tool.asyncq]", table)


def _table_of(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{what} takes a table, not {value!r}")
    return cast("Mapping[str, Any]", value)


def _value(file: Path, root: Path, key: str, value: Any) -> Any:
    if key == "jobs":
        items = tuple(cast("Sequence[Any]", value if isinstance(value, list) else [value]))
        if all(isinstance(item, str) for item in items):
            return items
        raise ConfigError(f"{file}: [tool.asyncq] jobs takes a list of module names, not {value!r}")
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{file}: [tool.asyncq] {key} takes a text, not {value!r}")
    return _from_root(root, value) if key in {"url", *STORES} else value


def _read_connections(file: Path, root: Path, value: Any, layer: _Layer) -> None:
    for name, given in _table_of(f"{file}: [tool.asyncq] connections", value).items():
        table = cast("dict[str, Any]", given if isinstance(given, dict) else {"url": given})
        layer.connections[name] = {}
        for key, item in table.items():
            if not isinstance(item, (str, int, float)):
                raise ConfigError(f"{file}: connection {name!r}: {key} takes a text or a number, not {item!r}")
            text = text_of(key, item)
            place = f"[tool.asyncq.connections.{name}] {key}"
            layer.put(name, key, _from_root(root, text) if key == "url" else text, place)


def _read_variables(variables: Mapping[str, str], table: _Layer) -> _Layer:
    layer = _Layer()
    names = {_folded(name): name for name in table.connections}
    for variable, value in variables.items():
        if variable.startswith(_MANY):
            name, _, key = variable.removeprefix(_MANY).lower().rpartition("__")
            if not name or not key:
                raise ConfigError(f"{variable} names no key of a connection; write {_MANY}REPORTS__URL")
            layer.put(names.get(_folded(name), name), key, value, variable)
        elif variable in _VARIABLES:
            key = variable.removeprefix("ASYNCQ_").lower()
            layer.values[key] = tuple(filter(None, value.replace(" ", "").split(","))) if key == "jobs" else value
            layer.sources[key] = variable
        elif meant := _meant(variable, str(table.values.get("default", DEFAULT))):
            raise ConfigError(f"{variable} is no setting; did you mean {meant}? Correct it, or unset it")
    return layer


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _place_url(layer: _Layer, default: str) -> None:
    """Treat `url` as what it is: the URL of the default connection."""
    if "url" in layer.values:
        layer.put(default, "url", layer.values["url"], layer.sources["url"])


def _merge(table: _Layer, variables: _Layer) -> dict[str, dict[str, str]]:
    names = dict.fromkeys([*table.connections, *variables.connections])
    return {name: {**table.connections.get(name, {}), **variables.connections.get(name, {})} for name in names}


def _connection(name: str, keys: Mapping[str, str], sources: Mapping[str, str]) -> Connection:
    options = dict(keys)
    url = options.pop("url", None)
    if url is None:
        said = next((sources[key] for key in sources if key.startswith(f"connections.{name}.")), "the configuration")
        raise ConfigError(
            f"connection {name!r} has no url, only what {said} says; set {_MANY}{_folded(name).upper()}__URL "
            f"or url in [tool.asyncq.connections.{name}]"
        )
    start = f"connections.{name}."
    said_by = {key.removeprefix(start): source for key, source in sources.items() if key.startswith(start)}
    return Connection.from_texts(url, options, said_by)


def _from_root(root: Path, url: str) -> str:
    """Make a SQLite path of `pyproject.toml` relative to that file, so that every folder below means one queue."""
    if not url.startswith("sqlite:///") or url.startswith("sqlite:////") or ":memory:" in url:
        return url
    path, mark, query = url.removeprefix("sqlite:///").partition("?")
    return _file_url(root / unquote(path)) + mark + query if path else url


def _file_url(path: Path) -> str:
    return f"sqlite:///{quote(str(path))}"
