"""How the arguments of one job class are encoded: one pydantic adapter, and whether it alone is exact."""

from __future__ import annotations

import enum
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Sized
from dataclasses import Field, dataclass, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, cast, get_args, get_origin
from uuid import UUID

from asyncq.errors import ConfigError, DecodeError, EncodeError
from asyncq.job import Job
from asyncq.payload import Payload

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["Shape", "make_shape"]

PYDANTIC_CONFIG: Final = {
    # pydantic's own defaults write NaN as null and refuse bytes that are not UTF-8.
    "ser_json_bytes": "base64",
    "val_json_bytes": "base64",
    "ser_json_inf_nan": "strings",
    # A job is an instance already, and pydantic would take its fields unseen.
    "revalidate_instances": "always",
    "extra": "forbid",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """Encoder and decoder of one job class."""

    cls: type[Job]
    validate: Callable[[Any], Any]
    dump: Callable[..., bytes]
    load: Callable[[bytes], Any]
    exact: bool
    """True where every value that validates comes back as it was; else each dispatch makes the round trip to see."""

    def encode(self, job: Job) -> bytes:
        """Return the arguments as JSON; raises EncodeError for what cannot travel."""
        try:
            checked = self.validate(job)
            body = self.dump(checked)
            if not self.exact:
                self._prove(checked, self.load(body))
        except (ValueError, TypeError) as error:
            raise EncodeError(self._refusal(job, error)) from error
        return body

    def _refusal(self, job: Job, error: Exception) -> str:
        if hasattr(error, "errors"):
            return _validation_message(self.cls, cast("ValidationError", error))
        place = ".".join([self.cls.__qualname__, *self._culprit(job)])
        return f"{place}: {error}; annotate the field with a type that JSON can hold, or pass an id"

    def _culprit(self, job: Job) -> list[str]:
        """Find the first field that cannot be written; the serializer does not say which."""
        for item in fields_of(self.cls):
            try:
                self.dump(job, include={item.name})
            except (ValueError, TypeError):
                return [item.name]
        return []

    def decode(self, payload: Payload) -> Job:
        """Return the job of a payload; raises DecodeError where the arguments do not fit."""
        try:
            return cast(Job, self.load(payload.arguments))
        except ValueError as error:
            told = _validation_message(self.cls, cast("ValidationError", error)) if hasattr(error, "errors") else error
            raise DecodeError(f"job {payload.id}: its arguments do not fit {self.cls.__qualname__}: {told}") from error

    def _prove(self, before: Job, after: Job) -> None:
        for item in fields_of(self.cls):
            given, back = getattr(before, item.name), getattr(after, item.name)
            if not same(given, back):
                raise EncodeError(
                    f"{self.cls.__qualname__}.{item.name}: {_shown(item.repr, given)} would come back as "
                    f"{_shown(item.repr, back)}; annotate the field with its exact type, or pass JSON-native values"
                )


def make_shape(cls: type[Job]) -> Shape:
    """Resolve the annotations of the class and build its adapter.

    Raises:
        ConfigError: an annotation names something that cannot be found, or a type that pydantic does not know.
    """
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic.errors import PydanticUndefinedAnnotation

    hints = resolve(cls)
    type.__setattr__(cls, "__pydantic_config__", PYDANTIC_CONFIG)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(cls)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        text = str(error).split("\n", 1)[0]
        raise ConfigError(f"{cls.__qualname__}: a field's type cannot travel: {text} Or pass an id.") from error
    return Shape(
        cls,
        adapter.validator.validate_python,
        adapter.serializer.to_json,
        adapter.validator.validate_json,
        all(is_exact(hint) for hint in hints.values()),
    )


def resolve(cls: type[Job]) -> dict[str, Any]:
    """Return the types of the fields, looked up where each class was defined, and store them in the class."""
    hints: dict[str, Any] = {}
    names = {item.name for item in fields_of(cls)}
    for base in reversed(cls.__mro__):
        if not (issubclass(base, Job) and base is not Job):
            continue
        own = {name: note for name, note in inspect.get_annotations(base).items() if name in names}
        hints.update(_resolve_own(base, own))
    for item in fields_of(cls):
        item.type = hints.get(item.name, item.type)
    return hints


def fields_of(cls: type[Job]) -> tuple[Field[Any], ...]:
    """Return the fields of a job; every subclass of Job is a dataclass, which its type cannot say."""
    return fields(cast(Any, cls))


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


# No datetime and no time: JSON has no offsets of odd seconds, as the zones of old times have.
_PLAIN: Final = (str, int, float, bool, bytes, date, timedelta, UUID, Decimal, type(None))


def is_exact(hint: Any) -> bool:
    """Say whether values of this type always come back from JSON as they were."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return len(args) == 2 and not callable(args[1]) and is_exact(args[0])
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


def _shown(shown: bool, value: Any) -> str:
    return f"{value!r:.80}" if shown else "(redacted)"


def _validation_message(cls: type[Job], error: ValidationError) -> str:
    hidden = {item.name for item in fields_of(cls) if not item.repr}
    lines: list[str] = []
    for detail in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"])
        value = "(redacted)" if hidden & set(detail["loc"]) else f"{detail['input']!r:.80}"
        lines.append(f"{cls.__qualname__}.{place}: {detail['msg']}, got {value}")
    return "; ".join(lines)
