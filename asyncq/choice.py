"""The connections of an app: what its call says, else what the project says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, cast

from asyncq.config import Connection, mask
from asyncq.errors import ConfigError, WrongType
from asyncq.nearest import hint
from asyncq.project import DEFAULT, Project

__all__ = ["CALL", "Choice", "Given", "choose", "connection_of", "modules_of"]

Given = str | Connection
CALL: Final = "AsyncQ(...)"
"""What is said of a setting that the call gave."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The name of an app, and its connections."""

    name: str
    default: str
    connections: Mapping[str, Connection]
    stores: Mapping[str, str]
    """The connection that keeps something for all others, by what it keeps; without an entry each keeps its own."""
    sources: Mapping[str, str]
    """Where each setting comes from that is no default."""


def choose(
    project: Project,
    *,
    url: Given | None = None,
    connections: Mapping[str, Given] | None = None,
    name: str | None = None,
    default: str | None = None,
    **stores: Given | None,
) -> Choice:
    """Decide the connections of an app. `stores` are those of STORES.

    A call that names connections names all of them: those of the project are then not opened.

    Raises:
        ConfigError: the default, or who keeps something, is none of the connections.
    """
    if url is not None and connections is not None:
        raise ConfigError("AsyncQ takes one url or several connections={...}, not both")
    given = {default or DEFAULT: url} if url is not None else connections
    named = _ready(project.connections if given is None else given)
    main = _word("default", default) or (project.default if given is None else DEFAULT)
    if main not in named:
        raise ConfigError(f"AsyncQ: default={main!r} is none of the connections{hint(main, named)}")
    asked = {**project.stores, **{key: item for key, item in stores.items() if item is not None}}
    keepers = {key: _keeper(key, item, named, project) for key, item in asked.items()}
    called = {"url": url, "connections": connections, "name": name, "default": default, **stores}
    said = {key: item for key, item in project.sources.items() if given is None or key != "default"}
    sources = {**said, **{key: CALL for key, item in called.items() if item is not None}}
    return Choice(
        _word("name", name) or project.name,
        main,
        MappingProxyType(named),
        MappingProxyType(keepers),
        MappingProxyType(sources),
    )


def _ready(given: Any) -> dict[str, Connection]:
    if not isinstance(given, Mapping):
        raise WrongType(f"AsyncQ: connections takes URLs by name, {{'default': 'sqlite:///queue.db'}}, not {given!r}")
    if not given:
        raise ConfigError("AsyncQ: connections={} names none; leave it out to take those of the project")
    named = cast("Mapping[str, Any]", given)
    return {name: connection_of(f"AsyncQ: connection {name!r}", item) for name, item in named.items()}


def connection_of(what: str, item: Any) -> Connection:
    """Return a connection, made from a URL where it is none yet.

    Raises:
        WrongType: it is neither.
    """
    if isinstance(item, Connection):
        return item
    if isinstance(item, str):
        return Connection(item)
    raise WrongType(f"{what} takes a URL or a Connection, not {item!r}; write for example sqlite:///queue.db")


def modules_of(jobs: Any) -> tuple[str, ...]:
    """Return the names of modules; one alone is taken for a list of one.

    Raises:
        WrongType: they are no names.
    """
    names: tuple[Any, ...] = tuple(jobs) if type(jobs) in {list, tuple, set, frozenset} else (jobs,)
    for name in names:
        if not isinstance(name, str) or not name:
            raise WrongType(f"AsyncQ: jobs takes names of modules, not {name!r}; write for example jobs=['shop.jobs']")
    return names


def _word(what: str, value: Any) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        raise WrongType(f"AsyncQ: {what} takes a text, not {value!r}")
    return value


def _keeper(what: str, item: Given, named: dict[str, Connection], project: Project) -> str:
    """Return the name of the connection that keeps it, which joins the others where it is not among them."""
    if isinstance(item, str) and "://" not in item:
        if item not in named and item in project.connections:
            named[item] = project.connections[item]
        if item not in named:
            known = ", ".join(map(repr, named))
            raise ConfigError(f"{what}={item!r} is neither a URL nor one of the connections {known}")
        return item
    made = connection_of(f"AsyncQ: {what}", item)
    if what in named:
        raise ConfigError(
            f"{what}={mask(made.url)!r} would become the connection {what!r}, which is there already; "
            f"write {what}={what!r} to use that one, or give it another name"
        )
    named[what] = made
    return what
