"""What a handler's parameters receive."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from asyncq.context import JobContext
from asyncq.errors import ConfigError
from asyncq.function import INJECT, FunctionJob
from asyncq.job import Job

__all__ = ["Provide", "provider_of"]

Provide = Callable[[JobContext], Mapping[str, Any]]


def provider_of(cls: type[Job]) -> Provide | None:
    """Return what makes the arguments of the class's `handle`, or None where it takes none.

    Raises:
        ConfigError: a parameter that nothing can be injected into, or an annotation that cannot be resolved.
    """
    names = tuple(name for name, parameter in _injected(cls) if _is_context(cls, parameter))
    return (lambda ctx: dict.fromkeys(names, ctx)) if names else None


def _injected(cls: type[Job]) -> list[tuple[str, inspect.Parameter]]:
    if issubclass(cls, FunctionJob):
        parameters = inspect.signature(cls.function_).parameters
        return [(name, item) for name, item in parameters.items() if item.default is INJECT]
    parameters = inspect.signature(cls.handle).parameters
    return [(name, item) for name, item in list(parameters.items())[1:] if item.default in (item.empty, INJECT)]


def _is_context(cls: type[Job], parameter: inspect.Parameter) -> bool:
    if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
        return False
    hint = _resolved(cls, parameter)
    if isinstance(hint, type) and issubclass(hint, JobContext):
        return True
    raise ConfigError(
        f"{cls.__qualname__}.handle: nothing can be injected into {parameter.name!r} ({parameter.annotation!r}); "
        f"annotate it with JobContext, give it a default, or make it a field of the job"
    )


def _resolved(cls: type[Job], parameter: inspect.Parameter) -> Any:
    handler = cls.function_ if issubclass(cls, FunctionJob) else cls.handle
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    scope = {**cls.namespace_[0], **getattr(handler, "__globals__", {})}
    try:
        return typing.get_type_hints(holder, scope, cls.namespace_[1])["it"]
    except NameError as error:
        raise ConfigError(
            f"{cls.__qualname__}.handle: the annotation of {parameter.name!r} names {error.name!r}, which cannot be "
            f"found at run time; import it in {cls.__module__}, and not only under TYPE_CHECKING"
        ) from error
