"""Whether a value came back as it was, written apart from the library's own idea of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, time
from decimal import Decimal
from typing import Any, cast

from pydantic import BaseModel

__all__ = ["identical"]


def identical(before: Any, after: Any) -> bool:
    """Equal in type and value, to any depth; written apart from the library's own idea of it."""
    if type(before) is not type(after):
        return False
    if isinstance(before, float):
        return bool(before.hex() == after.hex())
    if isinstance(before, Decimal):
        return bool(before.as_tuple() == after.as_tuple())
    if isinstance(before, (datetime, time)):
        return repr(before.replace(tzinfo=None, fold=0)) == repr(after.replace(tzinfo=None)) and (
            before.utcoffset() == after.utcoffset()
        )
    parts = parts_of(before)
    if parts is None:
        return bool(before == after)
    others = parts_of(after)
    assert others is not None
    return len(parts) == len(others) and all(map(identical, parts, others))


def parts_of(value: Any) -> list[Any] | None:
    """What a value is made of; None where it is one thing."""
    if isinstance(value, BaseModel):
        return list(dict(value).items())
    if is_dataclass(value):
        return [getattr(value, item.name) for item in fields(value)]
    if isinstance(value, dict):
        return list(cast("Mapping[Any, Any]", value).items())
    if isinstance(value, (list, tuple)):
        return list(cast("Iterable[Any]", value))
    return None
