"""How the arguments of one job class are encoded: one pydantic adapter, and whether it alone is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, fields
from typing import TYPE_CHECKING, Any, Final, cast

from asyncq.errors import DecodeError, EncodeError
from asyncq.exactness import same
from asyncq.job import Job
from asyncq.payload import Payload

if TYPE_CHECKING:
    from pydantic import ValidationError

__all__ = ["PYDANTIC_CONFIG", "Shape", "fields_of"]

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
    load: Callable[..., Any]
    unsure: frozenset[str]
    """Fields of which not every valid value comes back as it was: each dispatch makes the round trip to see."""

    def encode(self, job: Job) -> bytes:
        """Return the arguments as JSON; raises EncodeError for what cannot travel."""
        try:
            checked = self.validate(job)
            body = self.dump(checked)
            if self.unsure:
                self._prove(checked, self._back(checked, body))
        except (ValueError, TypeError) as error:
            raise EncodeError(self._refusal(job, error)) from error
        return body

    def identity(self, job: Job) -> bytes:
        """Return what two jobs have in common where they mean the same."""
        return self.encode(job)

    def label(self, job: Job, name: str) -> str:
        """Return the value of one attribute as a text that is the same for the same value."""
        return str(getattr(job, name))

    def read(self, body: bytes) -> Job:
        """Return the job that these arguments make; raises ValueError where they do not fit."""
        return cast(Job, self.load(body))

    def round_trip(self, job: Job, payload: Payload) -> Job:
        """Return a job that was just encoded as a worker will see it; raises DecodeError where that fails."""
        return self.decode(payload)

    def _back(self, checked: Job, body: bytes) -> Job:
        return self.read(body)

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
            raise self.unfitting(payload, error) from error

    def unfitting(self, payload: Payload, error: ValueError) -> DecodeError:
        """Return what to raise for arguments that cannot be read."""
        told = _validation_message(self.cls, cast("ValidationError", error)) if hasattr(error, "errors") else error
        return DecodeError(f"job {payload.id}: its arguments do not fit {self.cls.__qualname__}: {told}")

    def _prove(self, before: Job, after: Job) -> None:
        for item in fields_of(self.cls):
            if item.name not in self.unsure:
                continue
            given, back = getattr(before, item.name), getattr(after, item.name)
            if not same(given, back):
                raise EncodeError(
                    f"{self.cls.__qualname__}.{item.name}: {_shown(item.repr, given)} would come back as "
                    f"{_shown(item.repr, back)}; annotate the field with its exact type, or pass JSON-native values"
                )


def fields_of(cls: type[Job]) -> tuple[Field[Any], ...]:
    """Return the fields of a job; every subclass of Job is a dataclass, which its type cannot say."""
    return fields(cast(Any, cls))


def _shown(shown: bool, value: Any) -> str:
    if not shown:
        return "(redacted)"
    try:
        return f"{value!r:.80}"
    except Exception as error:  # such as of an instance that would have to be loaded first
        return f"a {type(value).__qualname__} (its repr raises {type(error).__name__})"


def _validation_message(cls: type[Job], error: ValidationError) -> str:
    hidden = {item.name for item in fields_of(cls) if not item.repr}
    lines: list[str] = []
    for detail in error.errors(include_url=False, include_context=False):
        place = ".".join(str(part) for part in detail["loc"])
        value = _shown(not hidden & set(detail["loc"]), detail["input"])
        lines.append(f"{cls.__qualname__}.{place}: {detail['msg']}, got {value}")
    return "; ".join(lines)
