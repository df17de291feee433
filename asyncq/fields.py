"""Makes the annotations of a job's class the fields of a dataclass, and refuses what would hide something."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from asyncq.errors import WrongType

__all__ = ["make_fields"]

_INTERNAL: Final = frozenset({"settings_", "abstract_", "namespace_", "function_", "signature_", "arguments_"})


def make_fields(cls: type[Any], reserved: Collection[str]) -> None:
    """Make the class a dataclass whose fields are keywords; `reserved` are the methods of jobs.

    Raises:
        WrongType: a field has a name that is taken, or a default that all instances would share, or there is an
            `__init__`, which would keep what it is given from travelling.
    """
    if "__init__" in vars(cls):
        raise WrongType(
            f"{cls.__qualname__}: a job has no __init__ of its own, since only its annotated fields travel; "
            "annotate what it needs, and write __post_init__ for the rest"
        )
    annotations = inspect.get_annotations(cls)
    for name, annotation in annotations.items():
        if "ClassVar" not in str(annotation):
            _refuse(cls, name, reserved)
    if not annotations and hasattr(cls, "__dataclass_fields__"):
        return
    try:
        dataclass(kw_only=True)(cls)
    except (TypeError, ValueError) as error:
        raise WrongType(f"{cls.__qualname__}: {error}{_hint(error)}") from error


def _refuse(cls: type[Any], name: str, reserved: Collection[str]) -> None:
    if name in reserved:
        raise WrongType(f"{cls.__qualname__}: a field cannot be called {name!r}, a method of Job; call it {name}_")
    if name in _INTERNAL:
        raise WrongType(
            f"{cls.__qualname__}: a field cannot be called {name!r}, which jobs have; call it {name[:-1]!r}"
        )


def _hint(error: Exception) -> str:
    return ", as in field(default_factory=list)" if "default_factory" in str(error) else ""
