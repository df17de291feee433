"""The result of a handler ⇄ JSON, by the type that the handler says it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from typing import Any

from asyncq.errors import ConfigError, DecodeError, EncodeError
from asyncq.function import FunctionJob
from asyncq.hints import returned_by
from asyncq.job import Job
from asyncq.shape import PYDANTIC_CONFIG

__all__ = ["Answer", "make_answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Encoder and decoder of the results of one job class."""

    cls: type[Job]
    validate: Callable[[Any], Any]
    dump: Callable[..., bytes]
    load: Callable[[bytes], Any]

    def encode(self, value: Any) -> bytes:
        """Return the result as JSON; raises EncodeError where it is not of its type, or cannot be written."""
        try:
            return self.dump(self.validate({"value": value}))
        except (ValueError, TypeError) as error:
            told = "; ".join(str(error).splitlines()[1:3]) or str(error)
            raise EncodeError(f"the result of {self.cls.__qualname__} cannot be kept: {told}") from error

    def decode(self, body: bytes) -> Any:
        """Return the result; raises DecodeError where it does not fit the type."""
        try:
            return self.load(body).value
        except ValueError as error:
            raise DecodeError(f"the result of {self.cls.__qualname__} does not fit its type: {error}") from error


def make_answer(cls: type[Job]) -> Answer:
    """Resolve what the handler says it returns and build the adapter; without a word it is anything that JSON holds.

    Raises:
        ConfigError: the annotation names something that cannot be found, or a type that pydantic does not know.
    """
    from pydantic import PydanticUserError, TypeAdapter

    hint = _returned(cls)
    holder = make_dataclass("Result", [("value", hint)])
    type.__setattr__(holder, "__pydantic_config__", PYDANTIC_CONFIG)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(holder)
    except PydanticUserError as error:
        text = str(error).split("\n", 1)[0]
        raise ConfigError(f"{cls.__qualname__}: its results cannot be kept as {hint!r}: {text}") from error
    return Answer(cls, adapter.validator.validate_python, adapter.serializer.to_json, adapter.validator.validate_json)


def _returned(cls: type[Job]) -> Any:
    handler = cls.function_ if issubclass(cls, FunctionJob) else cls.handle
    return returned_by(handler, f"{cls.__qualname__}.handle", cls.namespace_)
