"""The parameters of a callable with their annotations resolved."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from asyncq.depends import is_injected, written_as_injected
from asyncq.errors import ConfigError

__all__ = ["Wanted", "returned_by", "wanted_by"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A parameter that asks for a value."""

    owner: str
    """Whose parameter it is, for messages."""
    name: str
    hint: Any
    default: Any
    """`inspect.Parameter.empty` where there is none."""


def wanted_by(
    call: Callable[..., Any],
    owner: str,
    namespace: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    *,
    only: Callable[[inspect.Parameter], bool] = lambda parameter: True,
) -> list[Wanted]:
    """Return the parameters that need a value from us: those without a default, and those that are marked.

    `namespace` has globals and locals in which annotations are looked up beside the callable's own globals.

    Raises:
        ConfigError: an annotation cannot be resolved.
    """
    scope = {**namespace[0], **_globals_of(call)}
    return [
        Wanted(owner, parameter.name, _resolved(parameter, owner, scope, namespace[1]), parameter.default)
        for parameter in _signature(call, owner).parameters.values()
        if only(parameter) and _asks(parameter)
    ]


def _signature(call: Callable[..., Any], owner: str) -> inspect.Signature:
    try:
        return inspect.signature(call)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{owner}: its parameters cannot be read ({error}); put a function around it that calls it"
        ) from error


def _asks(parameter: inspect.Parameter) -> bool:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        return False
    return parameter.default is parameter.empty or is_injected(parameter) or written_as_injected(parameter.annotation)


def _globals_of(call: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the globals of the function that the call ends in: of a class its `__init__`, of an object its class's."""
    inner: Any = call.func if isinstance(call, functools.partial) else inspect.unwrap(call)
    names = ["__init__", "__new__"] if inspect.isclass(inner) else ["__call__"]
    owner: Any = inner if inspect.isclass(inner) else inner.__class__
    candidates: list[Any] = [inner, *(getattr(owner, name, None) for name in names)]
    found: list[Mapping[str, Any]] = [item.__globals__ for item in candidates if hasattr(item, "__globals__")]
    return found[0] if found else {}


def returned_by(
    call: Callable[..., Any], owner: str, namespace: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {})
) -> Any:
    """Return the type that a callable says it returns; Any where it says nothing.

    Raises:
        ConfigError: the annotation cannot be resolved.
    """
    hint = _signature(call, owner).return_annotation
    if hint is inspect.Signature.empty:
        return Any
    scope = {**namespace[0], **_globals_of(call)}
    return _evaluated(hint, f"{owner}: what it returns", scope, namespace[1])


def _resolved(parameter: inspect.Parameter, owner: str, scope: dict[str, Any], places: Mapping[str, Any]) -> Any:
    if parameter.annotation is parameter.empty:
        return parameter.empty
    return _evaluated(parameter.annotation, f"{owner}: the annotation of {parameter.name!r}", scope, places)


def _evaluated(annotation: Any, what: str, scope: dict[str, Any], places: Mapping[str, Any]) -> Any:
    holder = SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, scope, dict(places), include_extras=True)["it"]
    except NameError as error:
        raise ConfigError(
            f"{what} names {error.name!r}, which cannot be found at run time; "
            f"import it in {scope.get('__name__', 'its module')}, and not only under TYPE_CHECKING"
        ) from error
