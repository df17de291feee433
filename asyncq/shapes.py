"""From a job class to its shape: annotations resolved, adapter built."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

from asyncq.annotation import by_reference
from asyncq.errors import ConfigError
from asyncq.exactness import is_exact
from asyncq.job import Job
from asyncq.link import adapters_in
from asyncq.reference_shape import ReferenceShape
from asyncq.shape import PYDANTIC_CONFIG, Shape, fields_of

__all__ = ["make_shape"]


def make_shape(cls: type[Job]) -> Shape:
    """Resolve the annotations of the class and build its adapter.

    Raises:
        ConfigError: an annotation names something that cannot be found, or a type that pydantic does not know.
    """
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation

    given = resolve(cls)
    hints = _marked(cls, given)
    type.__setattr__(cls, "__pydantic_config__", PYDANTIC_CONFIG)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(cls)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        text = str(error).split("\n", 1)[0]
        raise ConfigError(f"{cls.__qualname__}: a field's type cannot travel: {text} Or pass an id.") from error
    parts = (
        cls,
        adapter.validator.validate_python,
        adapter.serializer.to_json,
        adapter.validator.validate_json,
        frozenset(name for name, hint in hints.items() if not is_exact(hint)),
    )
    adapters = dict.fromkeys(adapters_in(adapter.core_schema))
    return ReferenceShape(*parts, tuple(adapters), _peek(cls, given)) if adapters else Shape(*parts)


def resolve(cls: type[Job]) -> dict[str, Any]:
    """Return the types of the fields, looked up where each class was defined."""
    hints: dict[str, Any] = {}
    names = {item.name for item in fields_of(cls)}
    for base in reversed(cls.__mro__):
        if not (issubclass(base, Job) and base is not Job):
            continue
        own = {name: note for name, note in inspect.get_annotations(base).items() if name in names}
        hints.update(_resolve_own(base, own))
    return hints


def _marked(cls: type[Job], given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Store the types in the class, with each mapped class marked as one that travels by reference."""
    try:
        hints = {name: by_reference(hint) for name, hint in given.items()}
    except ConfigError as error:
        raise ConfigError(f"{cls.__qualname__}: {error}") from None
    for item in fields_of(cls):
        item.type = hints.get(item.name, item.type)
    return hints


def _resolve_own(base: type[Job], notes: dict[str, Any]) -> dict[str, Any]:
    outer, inner = base.namespace_
    holder = types.SimpleNamespace(__annotations__=notes)
    try:
        return typing.get_type_hints(holder, outer, {**inner, **vars(base)}, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"{base.__qualname__}: an annotation names {error.name!r}, which cannot be found at run time; import it in "
            f"{base.__module__}, and not only under TYPE_CHECKING"
        ) from error


def _peek(cls: type[Job], given: Mapping[str, Any]) -> Callable[..., Any]:
    """Build a reader for the bare fields, since the class's own methods and validators expect instances."""
    from pydantic import TypeAdapter

    fields = [
        (item.name, by_reference(given.get(item.name, item.type), plain=True), _same_default(item))
        for item in fields_of(cls)
    ]
    holder = dataclasses.make_dataclass(cls.__qualname__, fields, kw_only=True)
    type.__setattr__(holder, "__pydantic_config__", PYDANTIC_CONFIG)
    adapter: TypeAdapter[Any] = TypeAdapter(holder)
    return adapter.validator.validate_json


def _same_default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return dataclasses.field(default_factory=item.default_factory, init=item.init, repr=item.repr)
    return dataclasses.field(default=item.default, init=item.init, repr=item.repr)
