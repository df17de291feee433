"""From the annotation of a field to one in which each mapped class bears its mark."""

from __future__ import annotations

import types
from collections import abc, deque
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Union, cast, get_args, get_origin

from asyncq.adapter import adapter_of
from asyncq.errors import ConfigError
from asyncq.link import LINK, Link

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

__all__ = ["ByReference", "WithoutRelations", "by_reference"]

_UNIONS: Final = {Union, types.UnionType}
_COLLECTIONS: Final = {
    *(list, set, frozenset, dict, deque),
    *(abc.Sequence, abc.MutableSequence, abc.Set, abc.MutableSet, abc.Mapping, abc.MutableMapping),
}


class ByReference:
    """Marks a mapped class inside a dataclass or a pydantic model: `Annotated[User, ByReference]`.

    The fields of a job need no mark.
    """

    relations: ClassVar[bool] = True

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return handler.generate_schema(by_reference(source, Link(relations=cls.relations)))


class WithoutRelations(ByReference):
    """Lets the instances of a field come back without their relations: `Annotated[User, WithoutRelations]`."""

    relations = False


def by_reference(hint: Any, link: Link = LINK, *, plain: bool = False) -> Any:
    """Return the annotation with a link at each mapped class; one without any is returned as it is.

    With `plain` the annotation loses its validators and constraints where mapped classes are: those are for instances,
    and not for references.

    Raises:
        ConfigError: a mark stands where no mapped class is.
    """
    origin = get_origin(hint)
    if origin is None:
        return _single(hint, link, plain=plain)
    if origin is Annotated:
        return _annotated(hint, link, plain=plain)
    args = get_args(hint)
    if origin in _UNIONS:
        return _union(hint, link, plain=plain)
    if origin in _COLLECTIONS or (origin is tuple and args[-1:] == (Ellipsis,)):
        link = replace(link, member=True, relations=False)
    elif origin is not tuple:
        return hint
    parts = tuple(by_reference(arg, link, plain=plain) for arg in args)
    return hint if parts == args else cast(Any, origin)[parts]


def _single(hint: Any, link: Link, *, plain: bool) -> Any:
    if adapter_of(hint) is not None:
        return Annotated[hint, link]
    value = getattr(hint, "__value__", None)  # of `type Name = …`
    found = value if value is None else by_reference(value, link, plain=plain)
    return hint if found is value else found


def _annotated(hint: Any, link: Link, *, plain: bool) -> Any:
    inner, *metadata = get_args(hint)
    marks = [item for item in metadata if _is_mark(item)]
    if not all(mark.relations for mark in marks):
        link = replace(link, relations=False)
    found = by_reference(inner, link, plain=plain)
    if found is inner:
        if marks:
            raise ConfigError(
                f"{hint!r}: the mark stands where no mapped class is; mark a class of SQLAlchemy, Django or Tortoise"
            )
        return hint
    others = [] if plain else [item for item in metadata if not _is_mark(item)]
    return Annotated[(found, *others)] if others else found


def _is_mark(item: Any) -> bool:
    return isinstance(item, ByReference) or (isinstance(item, type) and issubclass(item, ByReference))


def _union(hint: Any, link: Link, *, plain: bool) -> Any:
    args = get_args(hint)
    parts = [by_reference(arg, link, plain=plain) for arg in args]
    if sum(part is not arg for part, arg in zip(parts, args, strict=True)) > 1:
        parts = [by_reference(arg, replace(link, strict=True), plain=plain) for arg in args]
    return hint if tuple(parts) == args else Union[tuple(parts)]  # noqa: UP007  # of parts that are known only now
