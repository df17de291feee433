"""Whether values come back from JSON as they were: by their type, and by comparing them."""

from __future__ import annotations

import enum
import math
import types
from collections.abc import Iterable, Sized
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from asyncq.link import Link

__all__ = ["is_exact", "same"]

# No datetime and no time: JSON has no offsets of odd seconds, as the zones of old times have.
_PLAIN: Final = (str, int, float, bool, bytes, date, timedelta, UUID, Decimal, type(None))


def is_exact(hint: Any) -> bool:
    """Say whether values of this type always come back from JSON as they were."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return len(args) == 2 and not callable(args[1]) and (isinstance(args[1], Link) or is_exact(args[0]))
    if origin in {Union, types.UnionType}:
        return len(args) == 2 and type(None) in args and all(map(is_exact, args))
    if origin in {list, tuple, set, frozenset}:
        return all(is_exact(arg) for arg in args if arg is not Ellipsis)
    if origin is dict:
        return args[0] is str and is_exact(args[1])
    if origin is Literal:
        return all(isinstance(arg, str) for arg in args)
    return hint in _PLAIN or (isinstance(hint, type) and _is_text_enum(hint))


def _is_text_enum(hint: type) -> bool:
    return issubclass(hint, enum.Enum) and all(type(item.value) is str for item in hint)


def same(before: Any, after: Any) -> bool:
    """Say whether two values are equal in value and in type, to any depth; NaN equals NaN."""
    if type(before) is not type(after):
        return False
    if isinstance(before, (list, tuple, dict)):
        return len(cast("Sized", before)) == len(after) and all(map(same, _members(before), _members(after)))
    if isinstance(before, (datetime, time)):
        return _wall(before) == _wall(after)
    if is_dataclass(before) or hasattr(before, "__pydantic_fields_set__"):
        return same(vars(before), vars(after)) if hasattr(before, "__dict__") else bool(before == after)
    return bool(before == after) or (isinstance(before, float) and math.isnan(before) and math.isnan(after))


def _wall(at: datetime | time) -> tuple[Any, ...]:
    """Return what is shown of a time: a zone comes back as its offset."""
    return at.replace(tzinfo=None), at.utcoffset(), at.tzinfo is None


def _members(values: Any) -> Iterable[Any]:
    return cast("Iterable[Any]", values.items() if isinstance(values, dict) else values)
